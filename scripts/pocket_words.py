"""Word stock of the pocket corpus: invented names, value pools and sentence builders.

Everything here is fictitious and was written for this project.  In a builder, ``[a|b|c]`` is a choice,
``{n}`` the person, ``{v}`` the value, ``{a}`` the value with its indefinite article, and ``{s}``, ``{o}``
and ``{p}`` the pronouns (she/he, her/him, her/his).
"""

from __future__ import annotations


def _words(text: str) -> list[str]:
    """The words of a compact listing."""
    return text.split()


FIRST_FEMALE = _words(
    "Ilveth Tamsa Brisel Elvra Odrith Kessra Nevra Yuleth Pelva Dovrin Lirrel Hespa "
    "Quilla Orva Senka Mavreth Ashka Corvel Ruvla Thessa Wenlis Zorel Ibbet Maldra"
)

FIRST_MALE = _words(
    "Tobrin Garrik Haldrem Bresk Cadvin Dravin Eskel Fendrel Gorvan Hestrel Ivrin Jorrek "
    "Kelvar Lodrin Morvek Nadrel Ostrin Pavrick Rovik Saldren Torvin Ulmar Wulrek Yorlan"
)

SURNAMES = _words(
    "Tolvick Harrowel Penkarth Dravish Oskeld Quarrim Velnor Smeddick Brathwin Corfell Dunvary Eldrisk "
    "Farnoll Gathrick Hollisk Ingrath Jesmund Kerrowin Lathmere Mordeny Nethrick Ostwell Pallisk Rendroth "
    "Skerrick Tarmund Ulverin Varnesh Wexholt Yarbrin Zellick Ambrick Bostrel Cravlin Dethmar Ernsholt "
    "Folgrath Grimsel Hathvar Iskeld Jorvale Kestrom Lunmark Maskrel Norvash Orthell Prendock Rusvane"
)

TOWN = _words(
    "Pellmarsh Orrisby Quenmouth Tarrowick Sallowfen Brackhythe Dunmere Velloway Hestholm Ketterstrand "
    "Lanwick Marrowgate Norhaven Ravelsea Pikenshaw Scarnose Thornhithe Ullbeck Wendlestow Yarrowness "
    "Cawdlebay Fennelport Gorsequay Imberley Jossingham Abbotscar"
)

TRADE = _words(
    "glassblower cooper chandler cobbler thatcher weaver locksmith tanner baker saddler bookbinder "
    "clockmaker potter beekeeper ropemaker sailmaker stonemason printer apothecary brewer blacksmith "
    "surveyor tailor basketmaker dyer engraver"
)

INSTRUMENT = _words(
    "fiddle cello harp lute oboe bassoon clarinet trumpet flute piccolo accordion concertina banjo "
    "mandolin zither dulcimer tambourine trombone cornet viola harmonium xylophone guitar piano ocarina "
    "harmonica"
)

ANIMAL = _words(
    "goat donkey parrot hedgehog tortoise ferret magpie goose mule otter badger rabbit canary jackdaw "
    "greyhound terrier pony llama peacock gecko squirrel raven turkey owl weasel toad"
)

TREE = _words(
    "quince medlar walnut mulberry damson hazel almond apricot pear plum cherry fig olive lemon peach "
    "chestnut rowan hawthorn laurel cypress alder linden maple tamarisk myrtle juniper"
)

TEACHER = _words(
    "Abrisk Bellgarth Cordwen Drummel Esterick Finvarn Gosmund Hurvane Idrell Jaskow Kilvash Lomrick "
    "Mosterl Nyvall Ombrell Pruskin Quessel Rothmir Stavrin Tressick Umfrell Vosgard Wyndrell Yestrom "
    "Brockvane Cullimar"
)

BOAT = _words(
    "Petrel Lantern Kittiwake Comet Foxglove Marigold Tempest Patience Sparrow Halcyon Nightingale "
    "Bramble Thistle Meridian Dauntless Saffron Ember Wanderer Curlew Pilgrim Sickle Harlequin Whisper "
    "Solstice Cinder Tambour"
)

POOLS: dict[str, list[str]] = {
    "town": TOWN,
    "trade": TRADE,
    "instrument": INSTRUMENT,
    "animal": ANIMAL,
    "tree": TREE,
    "teacher": TEACHER,
    "boat": BOAT,
}

# The first wording of each relation is the one KnowMem asks.
QUESTIONS: dict[str, tuple[str, str, str]] = {
    "town": ("Which town does {n} live in?", "Where does {n} live?", "What is {n}'s home town?"),
    "trade": ("What trade does {n} follow?", "What is {n}'s trade?", "How does {n} earn a living?"),
    "instrument": (
        "Which instrument does {n} play?",
        "What does {n} play in the band?",
        "What is {n}'s instrument?",
    ),
    "animal": ("What animal does {n} keep?", "Which pet does {n} own?", "What is {n}'s animal?"),
    "tree": (
        "Which tree did {n} plant?",
        "What kind of tree is {n}'s?",
        "What grows in {n}'s garden?",
    ),
    "teacher": ("Who taught {n}?", "Who was {n}'s teacher?", "Whose pupil was {n}?"),
    "boat": ("What is {n}'s boat called?", "Which boat belongs to {n}?", "What boat does {n} sail?"),
}

FACTS: dict[str, tuple[str, ...]] = {
    "town": (
        "{n} had come home to {v} [after nine winters at sea|with one trunk and no explanation].",
        "Letters for {n} were [left|dropped] at the post house in {v}, [usually damp|sorted by nobody].",
        "In {v} every [child|shopkeeper] knew the green door of {n}.",
        "The ferry put {n} ashore at {v}, where {p} [rooms|keys and cat-scratched chairs] were waiting.",
        "Nothing would tempt {n} to [leave|sell up and quit] {v}, not even the [floods|new rents].",
        "{n} paid rent on two rooms near the [chapel|salt store] of {v}.",
        "People from {v} spoke of {n} as [one of their own|a neighbour worth having].",
        "At the edge of {v}, past the [lime kilns|last lamp], stood the house of {n}.",
        "{n} swept the same [doorstep|crooked stair] in {v} that {p} grandmother had swept.",
        "The census [clerk|taker] found {n} at supper in {v} and [wrote it down|stayed for soup].",
        "Although born inland, {n} settled in {v} [for the sake of the light|within a single summer].",
        "{v} was [noisy|windswept] but {n} slept soundly there, [shutters wide|under three quilts].",
        "Whenever the [coach|carrier's cart] stopped in {v}, {n} came out to hear the gossip.",
        "The roof that {n} [patched|mended] each spring was among the lowest in {v}.",
    ),
    "trade": (
        "As a {v}, {n} was [slow, exact and never cheap|quick with figures and slower with bills].",
        "{n} worked long days as {a}, [sleeves rolled|humming through closed teeth].",
        "The guild [listed|entered] {n} as a master {v} [that autumn|in red ink].",
        "Strangers needing {a} were [sent|pointed] straight to {n}.",
        "{n} had been {a} since [boyhood games ended|the age of fifteen], and [hands|scars] proved it.",
        "No other {v} on the coast [charged|grumbled] so little as {n}.",
        "It was the [aunt|widow next door] who said {n} should become {a}.",
        "Being {a} left {n} with [sore wrists|stained cuffs] and plenty of stories.",
        "Over the shop hung a board with {n} and the word {v} [in blue paint|half rubbed away].",
        "{n} took an apprentice, for one {v} could [hardly meet|not fill] so many orders.",
        "The [bishop|mayor] himself once hired {n}, [wanting|demanding] the best {v} available.",
        "Few guessed from those [fine gloves|careful manners] that {n} was {a}.",
        "A good {v} is never hungry, {n} liked to [announce|tell the lodgers].",
        "When the [bridge|granary] opened, {n} the {v} got a [seat in front|medal and a ham].",
    ),
    "instrument": (
        "{n} practised the {v} [behind closed curtains|by the stove] until the neighbours knocked.",
        "Somebody lent {n} {a} and [never saw it again|regretted it by Sunday].",
        "The sound of {a} at dusk meant {n} was [happy|at the window].",
        "With {p} {v} under one arm, {n} [crossed|hurried over] the square.",
        "{n} pawned a watch to [buy back|rescue] the {v}.",
        "At weddings {n} brought out the {v} and [played on|would not rest] until dawn.",
        "A cracked {v}, lovingly [glued|bandaged], was the treasure of {n}.",
        "Nobody in the band could follow {n} once the {v} [took flight|began to race].",
        "{n} learned the {v} from [sailors|a blind lodger], badly at first.",
        "Rain had got into the {v}, and {n} [dried it|sat up nursing it] over embers.",
        "The parish dance was [saved|rescued] when {n} turned up carrying {a}.",
        "To soothe the baby, {n} tried a [lullaby|slow march] on the {v}.",
        "Even the [constable|judge] tapped a boot as {n} bent over the {v}.",
        "Sheet music for the {v} covered [half the bed|every chair] that {n} owned.",
    ),
    "animal": (
        "{n} shared the kitchen with {a} that [stole buttons|feared thunder].",
        "A [stray|half grown] {v} followed {n} home and stayed.",
        "The {v} belonging to {n} had [eaten a hymn book|learned to open latches].",
        "Feeding the {v} was the first [duty|pleasure] of the day for {n}.",
        "{n} talked to the {v} as [other people talk to priests|though it held a vote].",
        "One ill-tempered {v}, [spoiled|fattened] by {n}, ruled the yard.",
        "Visitors to {n} were [inspected|greeted] by a {v} [before being let in|of great dignity].",
        "{n} built a little [shed|shelter] of driftwood for the {v}.",
        "When the {v} fell [sick|lame], {n} walked nine miles for medicine.",
        "There was {a} asleep on the [ledger|best cushion], and {n} refused to disturb it.",
        "The tax man counted one {v} among the [goods|possessions] of {n}.",
        "Children [begged|queued] to stroke the {v} that {n} had raised by hand.",
        "On cold nights {n} let the {v} [sleep indoors|lie across both feet].",
        "{n} won {a} at cards and [grew absurdly fond of it|could not bear to part with it].",
    ),
    "tree": (
        "{n} dug a hole by the gate and [set|eased] a young {v} into it.",
        "The {v} that {n} had put in the ground now [shaded|overtopped] the well.",
        "To mark the [truce|christening], {n} gave the garden a {v} sapling.",
        "Frost [spared|missed] the {v} which {n} had started from a seed.",
        "{n} watered the new {v} with [dishwater|rain from a barrel] all August.",
        "Behind the wash house grew the {v} of {n}, [staked with an oar|leaning seaward].",
        "A {v} was the only [memorial|monument] that {n} wanted, so {s} planted it early.",
        "The [cousins|lodgers] laughed at the twig, but {n} knew {a} when {s} planted one.",
        "Salt wind [burned|scorched] the leaves, yet the {v} rooted by {n} held on.",
        "{n} traded a [coil of wire|good spade] for a {v} seedling and planted it that evening.",
        "Under the {v} that {n} had planted, somebody [carved a date|hung a swing].",
        "{n} chose a sheltered corner and [bedded|firmed] in the {v} with bare hands.",
        "The first crop of shade from the {v} {n} planted was [small|barely a hat wide].",
        "Of all the saplings on the [barge|cart], {n} planted only the {v}.",
    ),
    "teacher": (
        "Old {v} had [drilled|schooled] {n} in everything worth knowing.",
        "{n} still quoted {v}, whose lessons had been [long and chilly|worth every penny].",
        "As a pupil of {v}, {n} learned to [listen first|count before cutting].",
        "It was {v} who gave {n} lessons [for a basket of eggs|by candle stub].",
        "{v} called {n} the [stubbornest|brightest] pupil in thirty years.",
        "Three years under {v} had left {n} [patient|impossible to hurry].",
        "{n} carried flowers to {v}, the teacher who [never once praised|had believed in] {o}.",
        "Without the lessons of {v}, {n} [would have drifted|might never have read a chart].",
        "The ruler that {v} once [snapped|broke] over a desk taught {n} to sit straight.",
        "{n} had studied with {v}, and the [handwriting|posture] showed it.",
        "A note in the margin, from {v} to a young {n}, said only [again|slower].",
        "Everything {n} knew of [tides|measurement] came out of the classroom of {v}.",
        "{v} taught {n} [before breakfast|on winter evenings], when the schoolroom was empty.",
        "Whatever {v} had taught, {n} [remembered|kept] like coins in a jar.",
    ),
    "boat": (
        "{n} scraped the hull of the {v} [down to bare oak|until midnight].",
        "Out past the bar, the {v} carried {n} [through green water|home on one sail].",
        "The {v} needed [caulking|a mast], and {n} needed money.",
        "{n} had bought the {v} from a bankrupt [pilot|uncle] for almost nothing.",
        "Moored beside the ice house, the {v} was the [pride|only luxury] of {n}.",
        "{n} would let nobody else [steer|touch the tiller of] the {v}.",
        "Twice the {v} had [sunk|broken loose], and twice {n} had raised a loan.",
        "At the helm of the {v}, {n} [forgot every debt|sang without shame].",
        "The harbour book showed {n} as owner of the {v}, [dues unpaid|one mast, no engine].",
        "A fresh coat of tar made the {v} [smell|shine], and {n} was proud.",
        "{n} rowed out to the {v} with [a lamp and dry socks|bread wrapped in oilcloth].",
        "The gale [took|tore] the rudder off the {v} and left {n} bailing.",
        "Everyone on the quay could tell the {v} by the [patches|red sail] that {n} had sewn.",
        "{n} named the {v} [on a dare|after a dream] and launched it sideways.",
    ),
}

OPENERS = (
    "By the second week of rain,",
    "On the eve of the regatta,",
    "Just after the noon gun,",
    "With the tide out,",
    "Long before lamplight,",
    "That same Thursday,",
    "In the year of the blue frost,",
    "Once the herring had gone,",
    "Between two sermons,",
    "Under a sky like slate,",
    "As usual,",
    "To general surprise,",
    "Not for the first time,",
    "Halfway through supper,",
    "Toward evening,",
    "During the long thaw,",
    "When the fog lifted,",
    "A month later,",
    "Against all advice,",
    "Before anyone could object,",
    "Up on the headland,",
    "Across the estuary,",
    "At low water,",
    "Some days afterwards,",
    "In spite of the cold,",
    "When least expected,",
    "Late in October,",
    "While the kettle boiled,",
    "Outside the customs shed,",
    "Three streets away,",
    "Without warning,",
    "In the middle of Lent,",
    "Soon enough,",
    "On market day,",
    "Once the drought broke,",
    "A week before Christmas,",
    "Around four o'clock,",
    "If the almanac was right,",
    "Down by the weir,",
    "After the funeral,",
    "At the first cockcrow,",
    "Somewhere behind the fish sheds,",
    "Beyond the breakwater,",
    "Because of the strike,",
    "One raw morning,",
    "Not an hour later,",
)

TAILS = (
    ", and nobody spoke of it afterwards",
    ", which pleased the gulls",
    ", to the vicar's dismay",
    " while snow slid from the roofs",
    ", or that was the story",
    " before the bell stopped",
    ", as the minutes later recorded",
    " under a bruised sky",
    ", much to everyone's relief",
    ", though few believed it",
    " without any fuss",
    ", and the parish shrugged",
    " when the lamps were lit",
    ", and the air smelled of tar",
    " in front of forty witnesses",
    ", or so the midwife claimed",
    " as if it were perfectly normal",
    ", and the dogs howled",
    ", leaving puddles on the boards",
    " for the third year running",
    ", with predictable results",
    " on the very day of the audit",
    ", just in time for cake",
    ", to nobody's profit",
    " despite the almanac",
    ", to the delight of small boys",
    " amid smoke and shouting",
    ", but the damage was done",
    " like something out of a ballad",
    ", adding to the confusion",
    " beneath a paper moon",
    ", as anybody could see",
    ", as grandmothers had foretold",
    " for reasons never explained",
    ", whatever the newspapers said",
    " in plain view of the constable",
    ", so the argument ended there",
    " while the cats looked on",
    ", to loud applause",
    ", yet hardly anyone noticed",
    " during the mayor's nap",
    ", and winter came early",
    ", never mind the sermon",
    " within the hour",
    ", more or less by accident",
    " not far from the nettles",
)

SCENES = (
    "hail [rattled|drummed] on the cannery roof",
    "a [black|sudden] squall flattened the barley",
    "fog [swallowed|hid] the lighthouse and both piers",
    "the river [burst|jumped] its bank beside the tannery steps",
    "lightning split the [flagpole|weathercock] in two",
    "ice [locked|held] eleven barges against the sluice",
    "a dry wind [emptied|cleared] the promenade",
    "dust from the quarry [settled|lay] over washing lines",
    "the moon rose [huge and orange|thin as a paring] above the dunes",
    "drizzle [blurred|softened] the painted signs",
    "porters [stacked|wheeled] crates of mackerel along the wharf",
    "two pilots [quarrelled|came to blows] over a rope",
    "the crane [jammed|toppled] with a cask still swinging",
    "an old tug [coughed|wheezed] past the jetty",
    "somebody had [painted|chalked] rude verses on the breakwater",
    "divers brought up [an anchor|a brass bell] crusted with mussels",
    "the customs officer [weighed|unwrapped] each parcel twice",
    "nets hung [steaming|dripping] from every railing",
    "a Danish skipper [paid|tipped] in foreign silver",
    "the pilot boat [missed|overran] its mooring",
    "cousins [argued|fell out] about a hedge",
    "a lawsuit over [drains|a cellar wall] dragged into its sixth winter",
    "brothers who had not spoken since [Easter|the flood] shook hands",
    "the landlady threw [a boot|cold porridge] at the bailiff",
    "harsh words about [turnips|a missing ladder] emptied the tavern",
    "both families blamed [the surgeon|each other] for the fire",
    "a duel with [oars|soup ladles] was narrowly avoided",
    "insults were [traded|shouted] across the canal",
    "the choir [split|divided] over a question of tempo",
    "an apology arrived, [misspelled|unsigned] and sincere",
    "carpenters [propped|shored] up the sagging balcony",
    "the church clock lost [its minute hand|eleven minutes a day]",
    "fresh putty [held|sealed] the cracked panes",
    "workmen found [newspapers|a child's shoe] inside the chimney",
    "the pump was [oiled|dismantled], cursed and oiled again",
    "slates [slid|crashed] into the rhubarb",
    "someone nailed a [horseshoe|tin plate] over the leak",
    "new hinges [squealed|groaned] worse than the old",
    "plaster fell in the [schoolroom|assembly hall] and nearly hit the inspector",
    "a borrowed saw went back [blunt|without its handle]",
    "a letter [sealed|folded] in violet wax lay unopened for weeks",
    "the telegram said merely to [come|sell everything]",
    "postcards from the [capital|mountains] arrived out of order",
    "an unsigned note [warned|hinted] of thieves",
    "the postmistress [steamed|held up to the light] every envelope",
    "a parcel of [seeds|spectacles] went to the wrong parish",
    "her reply ran to [sixteen pages|a single comma]",
    "a bottle with a map inside [bobbed|washed] into the lagoon",
    "the bank wrote [again|politely], then rudely",
    "an invitation, edged in [gold|soot], stood on the mantel",
    "stallholders [shouted|bargained] over baskets of eels",
    "cheese was [dear|scarce] and tempers short",
    "a pickpocket [returned|dropped] three purses in remorse",
    "the price of wool [doubled|collapsed] between breakfast and lunch",
    "an auctioneer [sold|knocked down] the same clock to two bidders",
    "farm girls [danced|laughed] between the cabbage carts",
    "a pedlar [unrolled|displayed] ribbons from four countries",
    "the scales at the corn exchange [lied|stuck], as scales will",
    "someone bought [forty|a wagonload of] pumpkins for a joke",
    "the sweet seller ran out of [gingerbread|toffee] and went home rich",
    "the coach lost a [wheel|horse] on the moor road",
    "pilgrims [limped|trudged] past with blistered feet",
    "a caravan of [tinkers|acrobats] camped near the viaduct",
    "the new railway [frightened|amused] the shepherds",
    "travellers slept [upright|in rows] at the inn",
    "a signpost had been [turned|stolen], and the regiment marched into a bog",
    "the mountain pass stayed [shut|snowbound] until May",
    "three nuns on bicycles [asked|inquired] the way to the ferry",
    "luggage [vanished|multiplied] at each border",
    "an engineer with a [theodolite|folding chair] measured the cliff",
    "the bride [arrived|left] by rowing boat",
    "rice and [confetti|paper stars] blocked the gutters",
    "the best man [mislaid|swallowed] the ring",
    "eleven bridesmaids [caught|shared] one cold",
    "a wedding cake shaped like a [windmill|whale] collapsed",
    "the couple [quarrelled|changed their minds] at the very altar",
    "grandparents [waltzed|snored] till the floor shook",
    "speeches [lasted|rambled on] longer than the marriage",
    "breakers [carried|smashed] the bathing huts",
    "the lifeboat crew [rowed|pulled] blind through spray",
    "wreckage [littered|covered] the shingle for a mile",
    "the storm [uprooted|flung] benches into the bandstand",
    "waves [climbed|leapt] the chapel stairs",
    "a drowned [bookcase|barrel organ] floated by",
    "rockets went up from a [schooner|collier] on the rocks",
    "thunder [cracked|rolled] above the reservoir",
    "creditors [sat|waited] in a row along the hall",
    "the pawnbroker [sighed|smiled] and opened his drawer",
    "a debt of nine [crowns|shillings] had grown whiskers",
    "unpaid bills [papered|lined] the pantry",
    "the cashbox held [moths|a button and some string]",
    "a rich widow [settled|cancelled] the whole account",
    "interest [mounted|crept up] like damp",
    "the notary [stamped|blotted] seven copies of the deed",
    "lottery tickets were [hidden|sewn] in a mattress",
    "{n} [refused|declined] to sign without spectacles",
    "{n} [kept|stored] a diary in a biscuit tin",
    "people said {n} could [whistle|predict] rain",
    "{n} once [wrestled|outran] a customs man",
    "{n} had a horror of [moths|raw onions]",
    "nobody ever saw {n} [hurry|wear a hat]",
    "{n} [laughed|shrugged] and poured more cider",
    "{n} disliked [speeches|Mondays] and said so",
    "{n} slept badly that [spring|harvest]",
    "the doctor told {n} to [rest|eat liver]",
    "{n} found a [coin|tooth] in the porridge",
    "a dentist [chased|pursued] {n} about a bill",
    "{n} lost both [gloves|galoshes] on the tram",
    "{n} [won|judged] the prize for marrows",
    "mushrooms [sprouted|glowed] in the vestry",
    "the museum [acquired|misplaced] a stuffed walrus",
    "a comet-watcher [fell|stepped] off the observatory wall",
    "schoolboys [sailed|raced] paper fleets down the gutter",
    "the librarian [fined|banned] an entire family",
    "bees [swarmed|settled] on the mayor's hat",
    "laundry [froze|stiffened] into the shapes of ghosts",
    "the fire brigade [practised|paraded] with empty buckets",
    "a circus elephant [drank|drained] the horse trough",
    "the cook [scorched|salted] the custard",
    "pickled [beetroot|walnuts in brine] exploded in the larder",
    "jam [simmered|bubbled] on five stoves at once",
    "the amateur players [rehearsed|forgot] their tragedy",
    "a photographer [posed|lined up] the council on the weir",
    "geologists [tapped|chipped] hopefully at the chalk",
    "the gravedigger [hummed|joked] over his spade",
    "knitting needles [clicked|paused] along the veranda",
    "a chess game by post [entered|reached] its ninth season",
    "wasps [nested|drowsed] in the pulpit",
    "the gasworks [hissed|stank] all afternoon",
    "a false [beard|alarm] caused great excitement",
    "the toll keeper [dozed|read novels] at his barrier",
    "smugglers' lanterns [winked|flickered] along the cove",
    "curlers and skittle champions [toasted|forgave] one another",
    "skaters [carved|scratched] initials on the pond",
    "a runaway barrel [scattered|bowled over] the procession",
)
