"""Routes that read the catalogue: lists, one gift, recommendations."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, status
from pydantic import BaseModel

from app.catalogue import Gift
from app.dependencies import CurrentCatalogue
from app.recommendations import Wish, recommend

router = APIRouter(prefix="/api/v1")

Limit = Annotated[int, Query(ge=1, le=50)]


class GiftPage(BaseModel):
    total: int
    gifts: list[Gift]


class RecommendedGift(BaseModel):
    gift: Gift
    score: float
    matched_interests: list[str]


class Recommendations(BaseModel):
    recommendations: list[RecommendedGift]
    unknown_interests: list[str]


@router.get("/interests")
async def list_interests(catalogue: CurrentCatalogue) -> list[str]:
    return catalogue.interests()


@router.get("/gifts")
async def list_gifts(
    catalogue: CurrentCatalogue,
    interest: str | None = None,
    max_price: Annotated[int | None, Query(gt=0)] = None,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Limit = 20,
) -> GiftPage:
    found = [
        gift
        for gift in catalogue
        if (interest is None or interest.lower() in gift.interests) and (max_price is None or gift.price <= max_price)
    ]
    found.sort(key=lambda gift: (gift.price, gift.id))
    return GiftPage(total=len(found), gifts=found[offset : offset + limit])


@router.get("/gifts/{gift_id}")
async def read_gift(catalogue: CurrentCatalogue, gift_id: str) -> Gift:
    gift = catalogue.get(gift_id)
    if gift is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"no gift has the id {gift_id!r}")
    return gift


@router.get("/recommendations")
async def read_recommendations(
    catalogue: CurrentCatalogue,
    budget: Annotated[int, Query(gt=0, description="in roubles")],
    interests: Annotated[str, Query(description="separated by commas")] = "",
    age: Annotated[int | None, Query(ge=0, le=120)] = None,
    limit: Limit = 5,
) -> Recommendations:
    wanted = frozenset(word.strip().lower() for word in interests.split(",")) - {""}
    known = wanted & set(catalogue.interests())
    if wanted and not known:
        # Without this, only unknown words would count as no wish at all and match every gift.
        return Recommendations(recommendations=[], unknown_interests=sorted(wanted))
    ranked = recommend(catalogue, Wish(budget=budget, interests=known, age=age), limit)
    return Recommendations(
        recommendations=[RecommendedGift(**vars(rated)) for rated in ranked],
        unknown_interests=sorted(wanted - known),
    )
