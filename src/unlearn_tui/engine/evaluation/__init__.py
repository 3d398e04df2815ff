"""Scores: batched greedy generation, ROUGE, KnowMem, VerbMem, bootstrap intervals, the recovery verdict."""
