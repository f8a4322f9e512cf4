"""The gifts we know. A small, fixed catalogue that ships with the code, so each release brings its own."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

CATALOGUE_FILE = Path(__file__).with_name("catalogue.json")


class Gift(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    title: str
    category: str
    price: int = Field(gt=0, description="in roubles")
    interests: frozenset[str] = Field(min_length=1)
    age_from: int = Field(ge=0)
    age_to: int = Field(le=120)

    def suits_age(self, age: int) -> bool:
        return self.age_from <= age <= self.age_to


class Catalogue:
    def __init__(self, gifts: Iterable[Gift]) -> None:
        self._by_id: dict[str, Gift] = {}
        for gift in gifts:
            if gift.id in self._by_id:
                raise ValueError(f"two gifts have the id {gift.id!r}")
            self._by_id[gift.id] = gift

    def __iter__(self) -> Iterator[Gift]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, gift_id: str) -> Gift | None:
        return self._by_id.get(gift_id)

    def interests(self) -> list[str]:
        return sorted({interest for gift in self for interest in gift.interests})


def load(path: Path = CATALOGUE_FILE) -> Catalogue:
    return Catalogue(TypeAdapter(list[Gift]).validate_json(path.read_bytes()))
