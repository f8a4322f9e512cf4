const products = [{ name: 'kettle', net: 2000 }, { name: 'cup', net: 450 }];

/** Products with their price in cents, tax included. */
exports.priced = () => products.map(({ name, net }) => ({ name, cents: Math.round(net * 1.2) }));
