from services.orders.database import connect

with connect() as connection:
    connection.execute("CREATE TABLE IF NOT EXISTS placed (id INTEGER PRIMARY KEY, cents INTEGER)")
