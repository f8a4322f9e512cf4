import asyncio

from memory_store import MemoryStore
from store_contract import keep_contract


def test_the_tests_own_store_keeps_the_contract():
    asyncio.run(keep_contract(MemoryStore()))
