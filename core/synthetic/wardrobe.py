"""What people wear: one small texture a person, on which front and back differ.

Chests carry a small number and a light collar, backs a big number under a dark name bar; faces are
in front, hair is behind. Team mates wear the same, so that two of them who overlap can really be
confused; they differ in number, hair, skin, sleeves and legs. Colours are BGR.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.recording.cv import cv2
from core.synthetic.motion import Role

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]
    Colour = tuple[int, int, int]
    Kit = tuple[Colour, Colour, Colour]

ROWS, COLS = 160, 96
# first row, first column, rows, columns of each surface in a person's texture
PATCHES = {
    "torso": (0, 0, 64, 96),
    "head": (64, 0, 48, 96),
    "pelvis": (112, 0, 24, 96),
    "upper_arm": (136, 0, 24, 16),
    "forearm": (136, 16, 24, 16),
    "thigh": (136, 32, 24, 16),
    "shin": (136, 48, 24, 16),
    "shoe": (136, 64, 24, 16),
    "hair": (136, 80, 12, 8),
    "skin": (136, 88, 12, 8),
    "sleeve": (148, 80, 6, 8),
    "shoulder": (154, 80, 6, 8),
    "shorts": (148, 88, 12, 8),
}

_SKINS = (
    (150, 178, 222), (138, 168, 212), (120, 150, 196), (96, 126, 176), (70, 98, 146), (46, 66, 104),
)  # fmt: skip
_HAIRS = ((24, 24, 28), (30, 36, 48), (34, 50, 78), (52, 84, 120), (78, 114, 138), (110, 112, 116))
# shirt, ink, shorts
_TEAM_KITS = (
    ((52, 46, 96), (204, 206, 210), (46, 40, 44)),
    ((104, 122, 92), (206, 212, 206), (44, 46, 44)),
    ((126, 88, 62), (214, 212, 208), (78, 58, 46)),
    ((196, 198, 198), (44, 40, 40), (150, 150, 150)),
    ((60, 130, 176), (48, 40, 36), (52, 54, 60)),
    ((62, 58, 56), (196, 200, 202), (50, 48, 48)),
)
_OTHER_KITS = {
    Role.REFEREE: ((172, 172, 168), (40, 38, 38), (42, 40, 40)),
    Role.COACH: ((76, 62, 52), (160, 160, 160), (54, 58, 66)),
    Role.BYSTANDER: ((96, 108, 120), (170, 172, 176), (74, 66, 58)),
}
_SHOES = ((196, 198, 200), (44, 44, 48), (66, 64, 130), (140, 112, 74), (96, 150, 160))


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One person's appearance.

    Attributes:
        texture: (ROWS, COLS, 3) uint8, see `PATCHES`.
        long_hair: whether a pony tail hangs behind.
        loose: thickness of the shorts' legs against bare thighs, 1 or more.
        sleeves: thickness of the sleeves, below 1 where the shirt has none.
    """

    texture: Picture
    long_hair: bool
    loose: float
    sleeves: float


def _shaded(colour: Colour, factor: float) -> Colour:
    b, g, r = (min(255, max(0, round(factor * c))) for c in colour)
    return b, g, r


def _write(
    picture: Picture, text: str, center: int, row: int, size: tuple[int, int], ink: Colour
) -> None:
    """Text of a size (columns, rows) about a place; may run over the sides, where the back is."""
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, 2.0, 7)
    mask = np.zeros((height + 8, width + 8), np.uint8)
    cv2.putText(mask, text, (4, height + 3), cv2.FONT_HERSHEY_DUPLEX, 2.0, 255, 7, cv2.LINE_AA)
    small = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)[..., None] / 255.0
    cols = np.arange(center - size[0] // 2, center - size[0] // 2 + size[0]) % picture.shape[1]
    rows = slice(row - size[1] // 2, row - size[1] // 2 + size[1])
    part = picture[rows, cols]
    picture[rows, cols] = np.round(part + small * (np.array(ink) - part)).astype(np.uint8)


def _torso(role: Role, kit: Kit, number: int | None, rng: np.random.Generator) -> Picture:
    """Upright: row 0 at the shoulders, the front in the middle column."""
    base, ink, _ = kit
    base = _shaded(base, rng.uniform(0.94, 1.06))
    picture = np.empty((64, COLS, 3), np.uint8)
    picture[:] = base
    if role == Role.REFEREE:
        picture[:, ::8] = picture[:, 1::8] = picture[:, 2::8] = ink
    side = _shaded(base, 0.72)
    cv2.rectangle(picture, (21, 18), (27, 63), side, -1)
    cv2.rectangle(picture, (69, 18), (75, 63), side, -1)
    collar = np.array([[39, 0], [48, 17], [57, 0]], np.int32)
    if number is None:
        _own_shirt(picture, ink, rng)
    elif role in (Role.HOME, Role.GUEST):
        cv2.fillPoly(picture, [collar], (130, 158, 204))
        cv2.polylines(picture, [collar], False, ink, 2)
        cv2.rectangle(picture, (34, 38), (62, 42), ink, -1)
        _write(picture, str(number), 48, 28, (14, 14), ink)
        for left in (0, COLS - 14):
            cv2.rectangle(picture, (left, 12), (left + 13, 15), _shaded(ink, 0.9), -1)
        _write(picture, str(number), 0, 31, (27, 27), ink)
    elif role == Role.REFEREE:
        cv2.fillPoly(picture, [collar], (40, 40, 40))
        cv2.rectangle(picture, (0, 10), (20, 22), (36, 36, 36), -1)
        cv2.rectangle(picture, (76, 10), (95, 22), (36, 36, 36), -1)
    else:
        cv2.line(picture, (48, 0), (48, 63), ink, 2)
        cv2.fillPoly(picture, [collar], ink)
    return _wrinkled(picture, rng)


def _own_shirt(picture: Picture, ink: Colour, rng: np.random.Generator) -> None:
    """A plain, striped, hooped or printed shirt: front and back differ by the print alone."""
    style = int(rng.integers(4))
    if style == 1:
        picture[:, ::12] = picture[:, 1::12] = picture[:, 2::12] = ink
    elif style == 2:
        for row in range(8, 60, 16):
            picture[row : row + 6] = ink
    elif style == 3:
        cv2.circle(picture, (48, 26), int(rng.integers(6, 13)), ink, -1)


def _wrinkled(picture: Picture, rng: np.random.Generator) -> Picture:
    rough = rng.standard_normal((9, 7)).astype(np.float32)
    folds = cv2.resize(rough, (picture.shape[1], picture.shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture * (1 + 0.07 * folds[..., None]), 0, 255).astype(np.uint8)


def _head(skin: Colour, hair: Colour, style: int, rng: np.random.Generator) -> Picture:
    """Upright: row 0 at the crown; the face in the middle."""
    picture = np.empty((48, COLS, 3), np.uint8)
    picture[:] = skin
    bald = style == 3
    if not bald:
        line = 20 if style == 1 else 16
        cv2.rectangle(picture, (0, 0), (COLS, line), hair, -1)
        back = 44 if style == 1 else 36
        cv2.rectangle(picture, (0, 0), (25, back), hair, -1)
        cv2.rectangle(picture, (71, 0), (COLS, back), hair, -1)
        cv2.ellipse(picture, (48, line + 2), (20, 5), 0, 0, 360, skin, -1)
    else:
        stubble = _shaded(skin, 0.86)
        cv2.rectangle(picture, (0, 0), (25, 34), stubble, -1)
        cv2.rectangle(picture, (71, 0), (COLS, 34), stubble, -1)
    if style == 2:
        band = (210, 210, 210) if rng.random() < 0.5 else (50, 50, 60)
        cv2.rectangle(picture, (0, 14), (COLS, 19), band, -1)
    for eye in (41, 55):
        cv2.ellipse(picture, (eye, 25), (4, 2), 0, 0, 360, (40, 40, 44), -1)
        cv2.line(picture, (eye - 5, 21), (eye + 5, 21), _shaded(hair, 0.9), 1)
    cv2.ellipse(picture, (48, 38), (6, 1), 0, 0, 360, _shaded(skin, 0.62), -1)
    if rng.random() < 0.35:
        cv2.ellipse(picture, (48, 43), (17, 6), 0, 0, 360, hair, -1)
    for ear in (24, 72):
        cv2.ellipse(picture, (ear, 27), (3, 5), 0, 0, 360, _shaded(skin, 0.9), -1)
    return picture


def _gradient(rows: int, cols: int, stops: list[tuple[float, Colour]]) -> Picture:
    """Bands of colour from row 0 down; each stop gives where its colour ends."""
    picture = np.empty((rows, cols, 3), np.uint8)
    first = 0
    for end, colour in stops:
        picture[first : round(end * rows)] = colour
        first = round(end * rows)
    return picture


def _legs(
    texture: Picture, role: Role, kit: Kit, skin: Colour, rng: np.random.Generator
) -> tuple[Colour, bool]:
    """Fill thigh, shin and shoe; return the colour of the shorts and whether legs are covered."""
    cloth = _shaded(kit[2], rng.uniform(0.85, 1.35))
    covered = role >= Role.REFEREE or rng.random() < 0.45
    leg = _shaded(cloth, 1.1) if covered else skin
    knee = _shaded(leg, 1.12)
    sock = (206, 208, 208) if rng.random() < 0.6 else (50, 50, 54)
    _put(texture, "thigh", _gradient(24, 16, [(0.7, leg), (1.0, knee)]))
    shin = [(0.12, knee), (1.0, leg)] if covered else [(0.12, knee), (0.68, leg), (1.0, sock)]
    _put(texture, "shin", _gradient(24, 16, shin))
    if not covered and rng.random() < 0.3:
        pad = texture[136 + 16 : 160, 32:48]
        pad[:, 4:12] = (48, 48, 52)
    shoe = _SHOES[int(rng.integers(len(_SHOES)))]
    _put(texture, "shoe", _gradient(24, 16, [(0.75, shoe), (1.0, _shaded(shoe, 1.25))]))
    return cloth, covered


def _put(texture: Picture, name: str, picture: Picture) -> None:
    row, col, rows, cols = PATCHES[name]
    texture[row : row + rows, col : col + cols] = picture


def draw_kits(rng: np.random.Generator) -> dict[Role, Kit]:
    """Shirt, ink and shorts of every role; the two teams differ."""
    home, guest = rng.choice(len(_TEAM_KITS), 2, replace=False)
    return {Role.HOME: _TEAM_KITS[home], Role.GUEST: _TEAM_KITS[guest], **_OTHER_KITS}


def draw_own_kit(rng: np.random.Generator) -> Kit:
    """Shirt, ink and shorts that somebody chose for himself: any colours."""

    def colour() -> Colour:
        hue, saturation = rng.integers(180), rng.integers(10, 190)
        hsv = np.array([[[hue, saturation, rng.integers(35, 235)]]], np.uint8)
        b, g, r = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0].tolist()
        return b, g, r

    return colour(), colour(), colour()


def dress(role: Role, kit: Kit, number: int | None, rng: np.random.Generator) -> Look:
    """A person's clothes; who has a role wears its colours, who has no number his own."""
    skin = _shaded(_SKINS[int(rng.integers(len(_SKINS)))], rng.uniform(0.93, 1.05))
    hair = _HAIRS[int(rng.integers(len(_HAIRS)))]
    style = int(rng.choice(4, p=[0.45, 0.25, 0.15, 0.15]))
    texture = np.zeros((ROWS, COLS, 3), np.uint8)
    cloth, covered = _legs(texture, role, kit, skin, rng)
    shirt = _torso(role, kit, number, rng)
    # Trunk and head grow upward from their start, so their row 0 is at the bottom.
    _put(texture, "torso", shirt[::-1])
    _put(texture, "head", _head(skin, hair, style, rng)[::-1])
    pelvis = np.empty((24, COLS, 3), np.uint8)
    pelvis[:] = cloth
    pelvis[14:] = shirt[-1]
    pelvis[:14, 20:27] = pelvis[:14, 69:76] = _shaded(kit[1], 0.8)
    _put(texture, "pelvis", pelvis)
    long_sleeves = role >= Role.COACH or rng.random() < 0.12
    arm = _shaded(kit[0], 0.8) if long_sleeves else skin
    _put(texture, "upper_arm", _gradient(24, 16, [(1.0, arm)]))
    _put(texture, "forearm", _gradient(24, 16, [(0.85, arm), (1.0, skin)]))
    _put(texture, "hair", _gradient(12, 8, [(1.0, hair)]))
    _put(texture, "skin", _gradient(12, 8, [(1.0, skin)]))
    has_sleeves = role >= Role.REFEREE or rng.random() < 0.55
    under = kit[0] if role >= Role.REFEREE or rng.random() < 0.4 else (52, 50, 56)
    _put(texture, "sleeve", _gradient(6, 8, [(1.0, _shaded(under, 0.95))]))
    _put(texture, "shoulder", np.broadcast_to(shirt[4, 30], (6, 8, 3)))
    _put(texture, "shorts", _gradient(12, 8, [(1.0, cloth)]))
    return Look(
        texture=texture,
        long_hair=style == 1,
        loose=1.0 if covered else float(rng.uniform(1.12, 1.3)),
        sleeves=1.0 if has_sleeves else 0.6,
    )
