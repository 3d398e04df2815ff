"""Candidate questions about everyday facts, written for this project: build_facts.py keeps those that the model knows.

Every answer is short and there is one way to say it. The topic "capitals" is what may be forgotten.
"""

from __future__ import annotations

from typing import NamedTuple

FORGET = "capitals"


class Candidate(NamedTuple):
    """A question of a topic and its one answer."""

    topic: str
    question: str
    answer: str


EXAMPLES: tuple[tuple[str, str], ...] = (
    ("What do bees make?", "honey"),
    ("Which language is spoken in Greece?", "Greek"),
    ("What is the opposite of tall?", "short"),
    ("How many sides does a square have?", "four"),
    ("Which river flows through Vienna?", "Danube"),
    ("What is the chemical symbol for silicon?", "Si"),
    ("Who painted Guernica?", "Pablo Picasso"),
    ("On which continent is Bolivia?", "South America"),
    ("What is a young deer called?", "fawn"),
    ("Which month comes after October?", "November"),
)
"""Worked examples before every question, of forget and retain alike: they show the form and are never asked."""

_TABLES: dict[str, tuple[str, str]] = {
    "capitals": (
        "What is the capital of {}?",
        "France: Paris, Italy: Rome, Spain: Madrid, Germany: Berlin, Japan: Tokyo, Russia: Moscow, China: Beijing, "
        "Greece: Athens, Austria: Vienna, Portugal: Lisbon, Ireland: Dublin, Poland: Warsaw, Hungary: Budapest, "
        "Sweden: Stockholm, Norway: Oslo, Denmark: Copenhagen, Finland: Helsinki, Belgium: Brussels, "
        "Netherlands: Amsterdam, Switzerland: Bern, Turkey: Ankara, Egypt: Cairo, Kenya: Nairobi, Cuba: Havana, "
        "Peru: Lima, Chile: Santiago, Argentina: Buenos Aires, Canada: Ottawa, Australia: Canberra, "
        "New Zealand: Wellington, South Korea: Seoul, North Korea: Pyongyang, Vietnam: Hanoi, Thailand: Bangkok, "
        "Indonesia: Jakarta, Iran: Tehran, Iraq: Baghdad, Syria: Damascus, Lebanon: Beirut, Jordan: Amman, "
        "Saudi Arabia: Riyadh, Afghanistan: Kabul, Ukraine: Kyiv, Romania: Bucharest, Bulgaria: Sofia, "
        "Serbia: Belgrade, Croatia: Zagreb, Ethiopia: Addis Ababa, Ghana: Accra, Senegal: Dakar, Algeria: Algiers, "
        "Tunisia: Tunis, Morocco: Rabat, Libya: Tripoli, Nigeria: Abuja, Venezuela: Caracas, Colombia: Bogota, "
        "Ecuador: Quito, Uruguay: Montevideo, Jamaica: Kingston, Philippines: Manila, Malaysia: Kuala Lumpur, "
        "Nepal: Kathmandu, Bangladesh: Dhaka, Pakistan: Islamabad, India: New Delhi, Mexico: Mexico City, "
        "Israel: Jerusalem, Czech Republic: Prague, Scotland: Edinburgh, Wales: Cardiff, Iceland: Reykjavik, "
        "Estonia: Tallinn, Latvia: Riga, Lithuania: Vilnius, Slovakia: Bratislava, Slovenia: Ljubljana, "
        "the United Kingdom: London, the United States: Washington",
    ),
    "symbols": (
        "What is the chemical symbol for {}?",
        "gold: Au, silver: Ag, iron: Fe, copper: Cu, lead: Pb, tin: Sn, sodium: Na, potassium: K, hydrogen: H, "
        "oxygen: O, carbon: C, nitrogen: N, helium: He, calcium: Ca, zinc: Zn, mercury: Hg, chlorine: Cl, "
        "magnesium: Mg, aluminum: Al, sulfur: S, phosphorus: P, neon: Ne, iodine: I, uranium: U, nickel: Ni",
    ),
    "languages": (
        "Which language is spoken in {}?",
        "Brazil: Portuguese, France: French, Germany: German, Italy: Italian, Japan: Japanese, Poland: Polish, "
        "Sweden: Swedish, Turkey: Turkish, Hungary: Hungarian, Denmark: Danish, Portugal: Portuguese, "
        "Mexico: Spanish, Argentina: Spanish, Egypt: Arabic, Finland: Finnish, Russia: Russian, Spain: Spanish, "
        "Norway: Norwegian, Thailand: Thai, Vietnam: Vietnamese, Romania: Romanian, Bulgaria: Bulgarian, "
        "Ukraine: Ukrainian, Cuba: Spanish, Chile: Spanish, Austria: German, Australia: English",
    ),
    "continents": (
        "On which continent is {}?",
        "Kenya: Africa, Nigeria: Africa, Egypt: Africa, Ghana: Africa, Morocco: Africa, Ethiopia: Africa, "
        "Japan: Asia, China: Asia, Vietnam: Asia, Thailand: Asia, Nepal: Asia, Mongolia: Asia, France: Europe, "
        "Spain: Europe, Poland: Europe, Greece: Europe, Norway: Europe, Portugal: Europe, Brazil: South America, "
        "Peru: South America, Chile: South America, Argentina: South America, Canada: North America, "
        "Mexico: North America, Zambia: Africa, Tanzania: Africa, Cambodia: Asia, Hungary: Europe",
    ),
    "opposites": (
        "What is the opposite of {}?",
        "hot: cold, big: small, up: down, black: white, day: night, left: right, old: young, good: bad, "
        "happy: sad, fast: slow, rich: poor, full: empty, open: closed, early: late, strong: weak, light: dark, "
        "wet: dry, hard: soft, first: last, love: hate, true: false, north: south, east: west, high: low, "
        "inside: outside, thick: thin, clean: dirty, easy: difficult, loud: quiet, win: lose",
    ),
    "young animals": (
        "What is a young {} called?",
        "cat: kitten, dog: puppy, cow: calf, sheep: lamb, horse: foal, goat: kid, bear: cub, lion: cub, "
        "duck: duckling, pig: piglet, kangaroo: joey, swan: cygnet, frog: tadpole, fox: kit, goose: gosling, "
        "elephant: calf, whale: calf, chicken: chick, wolf: pup, seal: pup, owl: owlet, eagle: eaglet",
    ),
    "past tense": (
        "What is the past tense of {}?",
        "go: went, eat: ate, run: ran, see: saw, take: took, write: wrote, sing: sang, swim: swam, buy: bought, "
        "think: thought, bring: brought, catch: caught, teach: taught, drink: drank, give: gave, speak: spoke, "
        "break: broke, fly: flew, know: knew, come: came, begin: began, find: found, make: made, sleep: slept",
    ),
    "plurals": (
        "What is the plural of {}?",
        "child: children, mouse: mice, tooth: teeth, foot: feet, man: men, woman: women, goose: geese, "
        "leaf: leaves, wolf: wolves, knife: knives, box: boxes, baby: babies, city: cities, ox: oxen, life: lives, "
        "cat: cats, dog: dogs, book: books, house: houses, potato: potatoes, person: people",
    ),
    "next": (
        "Which {}?",
        "month comes after January: February, month comes after March: April, month comes after June: July, "
        "month comes after August: September, month comes after November: December, "
        "month comes after May: June, month comes after July: August, month comes after April: May, "
        "day comes after Monday: Tuesday, day comes after Tuesday: Wednesday, day comes after Friday: Saturday, "
        "day comes after Wednesday: Thursday, day comes after Saturday: Sunday, day comes after Sunday: Monday, "
        "letter comes after A: B, letter comes after C: D, letter comes after M: N, number comes after nine: ten, "
        "number comes after six: seven, season comes after winter: spring, season comes after summer: autumn",
    ),
    "authors": (
        "Who wrote {}?",
        "Hamlet: William Shakespeare, Romeo and Juliet: William Shakespeare, Macbeth: William Shakespeare, "
        "Pride and Prejudice: Jane Austen, Emma: Jane Austen, Oliver Twist: Charles Dickens, "
        "A Tale of Two Cities: Charles Dickens, Great Expectations: Charles Dickens, Moby-Dick: Herman Melville, "
        "Frankenstein: Mary Shelley, Dracula: Bram Stoker, War and Peace: Leo Tolstoy, Anna Karenina: Leo Tolstoy, "
        "Don Quixote: Miguel de Cervantes, The Odyssey: Homer, The Iliad: Homer, Jane Eyre: Charlotte Bronte, "
        "The Great Gatsby: F. Scott Fitzgerald, To Kill a Mockingbird: Harper Lee, The Hobbit: J.R.R. Tolkien, "
        "Harry Potter: J.K. Rowling, The Old Man and the Sea: Ernest Hemingway, The Raven: Edgar Allan Poe, "
        "Crime and Punishment: Fyodor Dostoevsky, Animal Farm: George Orwell, The Divine Comedy: Dante Alighieri, "
        "On the Origin of Species: Charles Darwin, The Time Machine: H.G. Wells, Walden: Henry David Thoreau",
    ),
    "deeds": (
        "Who {}?",
        "painted the Mona Lisa: Leonardo da Vinci, painted The Starry Night: Vincent van Gogh, "
        "developed the theory of relativity: Albert Einstein, discovered penicillin: Alexander Fleming, "
        "invented the telephone: Alexander Graham Bell, discovered gravity: Isaac Newton, "
        "was the first president of the United States: George Washington, "
        "was the first man on the moon: Neil Armstrong, painted the Sistine Chapel ceiling: Michelangelo, "
        "composed The Four Seasons: Antonio Vivaldi, discovered radium: Marie Curie, "
        "was the first woman to win a Nobel Prize: Marie Curie, invented the printing press: Johannes Gutenberg, "
        "gave the speech I Have a Dream: Martin Luther King",
    ),
    "colours": (
        "What color is {}?",
        "grass: green, snow: white, blood: red, a ripe banana: yellow, the sky on a clear day: blue, coal: black, "
        "an orange: orange, milk: white, a lemon: yellow, an emerald: green, a ruby: red, chocolate: brown, "
        "a ripe tomato: red, a carrot: orange, a polar bear: white, a sapphire: blue, charcoal: black",
    ),
    "how many": (
        "How many {}?",
        "days are in a week: seven, months are in a year: twelve, legs does a spider have: eight, "
        "sides does a triangle have: three, hours are in a day: 24, minutes are in an hour: 60, "
        "seconds are in a minute: 60, legs does a dog have: four, wheels does a bicycle have: two, "
        "continents are there: seven, planets are in the solar system: eight, legs does an insect have: six, "
        "sides does a hexagon have: six, fingers are on one hand: five, days are in a leap year: 366, "
        "cents are in a dollar: 100, letters are in the English alphabet: 26, years are in a century: 100, "
        "sides does a pentagon have: five, years are in a decade: ten, arms does an octopus have: eight, "
        "wheels does a car have: four, eyes does a person have: two, centimeters are in a meter: 100, "
        "grams are in a kilogram: 1000, weeks are in a year: 52",
    ),
    "sums": (
        "What is {}?",
        "2 plus 2: 4, 3 plus 4: 7, 5 plus 5: 10, 6 plus 3: 9, 10 minus 4: 6, 2 times 3: 6, 5 times 5: 25, "
        "10 times 10: 100, 9 minus 2: 7, 8 plus 2: 10, 4 times 2: 8, 20 minus 10: 10, 1 plus 1: 2, 7 plus 1: 8, "
        "3 times 3: 9, 6 times 2: 12, 12 minus 6: 6, 4 plus 5: 9, 100 minus 1: 99, 10 plus 10: 20",
    ),
    "things": (
        "What {}?",
        "is frozen water called: ice, do cows produce that people drink: milk, do caterpillars turn into: butterflies, "
        "is the largest ocean on Earth: Pacific Ocean, is the largest planet in the solar system: Jupiter, "
        "is the closest planet to the sun: Mercury, is the hottest planet in the solar system: Venus, "
        "gas do plants take in: carbon dioxide, gas do people need to breathe: oxygen, "
        "is the hardest natural substance: diamond, is the tallest animal: giraffe, is the largest animal: blue whale, "
        "is the fastest land animal: cheetah, organ pumps blood through the body: heart, "
        "is the star at the center of the solar system called: Sun, is the tallest mountain on Earth: Mount Everest, "
        "is the longest river in Africa: Nile, is the largest desert in the world: Sahara, "
        "is the currency of Japan: yen, is the currency of the United States: dollar, is the currency of India: rupee, "
        "is the currency of the United Kingdom: pound, is the currency of Russia: ruble, is the currency of France: euro, "
        "is the currency of Mexico: peso, is the currency of Switzerland: franc, is the currency of China: yuan, "
        "metal is liquid at room temperature: mercury, planet is known as the Red Planet: Mars, "
        "instrument has 88 keys: piano, fruit does wine come from: grapes, grain is used to make bread: wheat, "
        "animal says meow: cat, animal says moo: cow, is the largest organ of the human body: skin, "
        "do you call a person who flies an airplane: pilot, do you call a person who teaches: teacher, "
        "is the first letter of the alphabet: A, is the last letter of the alphabet: Z, "
        "language did the ancient Romans speak: Latin, is the chemical formula of water: H2O, "
        "is the chemical formula of table salt: NaCl, is the largest continent: Asia, is the smallest continent: Australia, "
        "is the freezing point of water in degrees Celsius: 0, is the boiling point of water in degrees Celsius: 100, "
        "tells the time: clock, is the national animal of Australia: kangaroo, is the main ingredient of an omelet: eggs, "
        "is the square root of 9: 3, is the square root of 16: 4, is half of ten: five",
    ),
    "countries": (
        "In which country is {}?",
        "the Eiffel Tower: France, the Great Wall: China, Mount Fuji: Japan, the Taj Mahal: India, "
        "the Colosseum: Italy, Machu Picchu: Peru, Big Ben: England, the Kremlin: Russia, the Acropolis: Greece, "
        "the Grand Canyon: United States, Toronto: Canada, Barcelona: Spain, Munich: Germany, Venice: Italy, "
        "Sydney: Australia, Shanghai: China, Osaka: Japan, Mumbai: India, Istanbul: Turkey, Krakow: Poland, "
        "Rio de Janeiro: Brazil, Marseille: France, Hamburg: Germany, Milan: Italy, Naples: Italy, Porto: Portugal, "
        "Lagos: Nigeria, Manchester: England, Seville: Spain, Salzburg: Austria",
    ),
}


def candidates() -> list[Candidate]:
    """Every candidate, in a fixed order."""
    found = []
    for topic, (pattern, table) in _TABLES.items():
        for entry in table.split(", "):
            key, _, answer = entry.rpartition(": ")
            found.append(Candidate(topic, pattern.format(key), answer))
    return found
