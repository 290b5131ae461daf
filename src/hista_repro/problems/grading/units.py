"""Units of measurement in answers: which words are one, and how two of them relate. Conversion is by pint.

Words that are no unit, such as "apples" or "students", name what is counted; they say nothing about the number.
"""

import re
from fractions import Fraction
from functools import cache, lru_cache
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pint import Unit, UnitRegistry

_WRITTEN = """
m cm mm km dm um µm μm nm pm fm meter meters metre metres kilometer kilometers kilometre kilometres centimeter centimeters
centimetre centimetres millimeter millimeters millimetre millimetres micrometer micrometers nanometer nanometers micron microns
angstrom Å inch inches in foot feet ft yard yards yd mile miles mi light_year light_years ly parsec pc kpc Mpc au s sec secs
second seconds ms us µs μs ns ps millisecond milliseconds microsecond microseconds nanosecond nanoseconds min mins minute minutes
h hr hrs hour hours day days week weeks month months year years yr yrs g kg mg ug µg μg gram grams kilogram kilograms milligram
milligrams microgram lb lbs pound pounds oz ounce ounces ton tons tonne tonnes amu Da L l mL ml dL cL liter liters litre litres
milliliter milliliters millilitre millilitres gallon gallons gal quart quarts pint pints cup cups acre acres hectare hectares cc N
kN newton newtons J kJ MJ mJ joule joules cal kcal calorie calories eV keV MeV GeV meV erg ergs W kW MW GW mW watt watts kilowatt
kilowatts kWh Wh Pa kPa MPa GPa hPa pascal pascals bar mbar atm torr mmHg psi V kV mV volt volts A mA µA μA uA ampere amperes amp
amps C mC µC μC nC coulomb coulombs ohm ohms Ω kΩ F µF μF uF nF pF farad farads H mH henry T mT tesla teslas Wb weber G gauss mol
mmol kmol mole moles M mM molar K kelvin kelvins Hz kHz MHz GHz hertz rpm Bq Ci lm lx cd D debye mph kph kmph kmh dollar dollars
cent cents euro euros rupee rupees yen yuan ruble rubles degC degF degree degrees radian radians rad
"""
_KNOWN = frozenset(_WRITTEN.split())
_MONEY = """
dollar = [dollars]; cent = dollar / 100; euro = [euros]; rupee = [rupees]; yen = [yen]; yuan = [yuan]; ruble = [rubles]
"""
_SAME_AS = {
    "secs": "s",
    "C": "coulomb",
    "M": "molar",
    "A": "ampere",
    "F": "farad",
    "H": "henry",
    "D": "debye",
    "Å": "angstrom",
    "kmh": "kilometer/hour",
    "kmph": "kilometer/hour",
    "ly": "light_year",
    "cal": "calorie",
}
_LATEX = (
    (re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}"), r"(\1)/(\2)"),
    (re.compile(r"\\(?:circ|degree)(?![A-Za-z])|°"), "deg"),
    (re.compile(r"\\(?:mu|micro)(?![A-Za-z])\s*"), "µ"),
    (re.compile(r"\\(?:Omega|ohm)(?![A-Za-z])"), "ohm"),
    (re.compile(r"\\cdot(?:p)?(?![A-Za-z])|\\times(?![A-Za-z])|[·⋅*×]"), " "),
    (re.compile(r"[\^]\s*\{?\s*deg\s*\}?\s*"), "deg"),
    (re.compile(r"⁻¹"), "^-1"),
    (re.compile(r"[²]"), "^2"),
    (re.compile(r"[³]"), "^3"),
    (re.compile(r"\bdegrees? (?:celsius|centigrade)\b|\bdeg ?C\b|℃|\bcelsius\b", re.IGNORECASE), "degC"),
    (re.compile(r"\bdegrees? fahrenheit\b|\bdeg ?F\b|℉|\bfahrenheit\b", re.IGNORECASE), "degF"),
    (re.compile(r"(\w) ?(?:squared|square)$"), r"\1^2"),
    (re.compile(r"(\w) ?cubed$"), r"\1^3"),
    (re.compile(r"\bsq(?:uare|\.)? *([A-Za-z]+)"), r"\1^2"),
    (re.compile(r"\bcu(?:bic|\.) *([A-Za-z]+)"), r"\1^3"),
    (re.compile(r"\bper\b"), "/"),
    (re.compile(r"(?<=[A-Za-z])-(?=[A-Za-z])"), " "),
    (re.compile(r"\^\s*\{\s*([-+]?\d+)\s*\}"), r"^\1"),
    (re.compile(r"[~{}]|\\[,;:! ]"), " "),
)
_TOKEN = re.compile(r"\s*(?:(?P<word>[A-Za-zµμΩÅ_]+)|(?P<power>\^\s*-?\d+|(?<=[A-Za-z])\d)|(?P<mark>[/()])|(?P<one>1(?=\s*/)))\s*")
_lock = Lock()


@lru_cache(maxsize=4096)
def unit_of(words: str) -> str | None:
    """The unit that `words` name, in pint's syntax; None where they name none that is known here."""
    for pattern, replacement in _LATEX:
        words = pattern.sub(replacement, words.strip(" .,"))
    spelled, at = "", 0
    while at < len(words):
        token = _TOKEN.match(words, at)
        if not token:
            return None
        at = token.end()
        if token["word"]:
            word = token["word"] if token["word"] in _KNOWN else token["word"].casefold()
            if word not in _KNOWN:
                return None
            spelled += ("*" if spelled and spelled[-1] not in "(/*" else "") + _SAME_AS.get(word, word)
        elif token["power"]:
            spelled += f"**({token['power'].lstrip('^ ')})"
        else:
            spelled += token["mark"] or token["one"]
    return spelled or None


@lru_cache(maxsize=4096)
def factor_between(answer: str, gold: str) -> Fraction | None:
    """By what a number in the unit `answer` is multiplied to be in the unit `gold`; None where no number is both.

    The units are those of `unit_of`. Degrees of different scales of temperature do not convert.
    """
    if answer == gold:
        return Fraction(1)
    with _lock:
        try:
            first, second = _registry().parse_units(answer), _registry().parse_units(gold)
            if first == second:
                return Fraction(1)
            if first.dimensionality != second.dimensionality or not (_scales(first) and _scales(second)):
                return None
            return Fraction((Fraction(1) * first).to(second).magnitude)
        except Exception:  # pint's parser lets errors of every kind through; what it cannot read is no known unit
            return None


def _scales(unit: "Unit") -> bool:
    """Whether zero of the unit is zero of its quantity."""
    return not any(part in ("degree_Celsius", "degree_Fahrenheit") for part in unit._units)


@cache
def _registry() -> "UnitRegistry":
    from pint import UnitRegistry

    registry = UnitRegistry(non_int_type=Fraction)
    for definition in _MONEY.split(";"):
        registry.define(definition.strip())
    return registry
