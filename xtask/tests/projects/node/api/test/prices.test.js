const test = require('node:test');
const assert = require('node:assert');
const { priced } = require('../prices');

test('a price has its tax', () => {
  assert.deepStrictEqual(priced()[0], { name: 'kettle', cents: 2400 });
});

test('each product has a price', () => {
  for (const product of priced()) assert.ok(product.cents > 0, product.name);
});
