"""Wish lists, one per person, for callers that hold the token."""

import time
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Response, status
from pydantic import BaseModel

from app.catalogue import Gift
from app.dependencies import CurrentCatalogue, CurrentStore, require_token

router = APIRouter(prefix="/api/v1/wishlist", dependencies=[Depends(require_token)])

Person = Annotated[str, Query(pattern=r"^[\w.-]{1,64}$")]


class Wishlist(BaseModel):
    person: str
    gifts: list[Gift]


@router.get("")
async def read_wishlist(catalogue: CurrentCatalogue, store: CurrentStore, person: Person = "me") -> Wishlist:
    # An id that this release's catalogue lacks is left out here and stays in the store: another release may know it.
    gifts = [gift for gift_id in await store.wishlist(person) if (gift := catalogue.get(gift_id))]
    return Wishlist(person=person, gifts=gifts)


@router.put("/{gift_id}", status_code=status.HTTP_201_CREATED)
async def add_gift(
    catalogue: CurrentCatalogue, store: CurrentStore, response: Response, gift_id: str, person: Person = "me"
) -> Gift:
    gift = catalogue.get(gift_id)
    if gift is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"no gift has the id {gift_id!r}")
    if not await store.add_to_wishlist(person, gift_id, added_at=time.time()):
        response.status_code = status.HTTP_200_OK
    return gift


@router.delete("/{gift_id}", status_code=status.HTTP_204_NO_CONTENT)
async def remove_gift(store: CurrentStore, gift_id: str, person: Person = "me") -> None:
    if not await store.remove_from_wishlist(person, gift_id):
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"{gift_id!r} is not on the wish list of {person!r}")
