"""One view a screen: keys to state, state to lines."""
