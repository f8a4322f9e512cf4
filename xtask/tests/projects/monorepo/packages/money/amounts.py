def text(cents: int, currency: str) -> str:
    return f"{cents // 100}.{cents % 100:02} {currency}"
