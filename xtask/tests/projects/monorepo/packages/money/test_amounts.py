import unittest

from packages.money.amounts import text


class Amounts(unittest.TestCase):
    def test_cents_have_two_digits(self):
        self.assertEqual(text(1205, "EUR"), "12.05 EUR")
