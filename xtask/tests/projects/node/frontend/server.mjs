import { createServer } from 'node:http';

const api = process.env.API_URL;

const server = createServer(async (request, response) => {
  try {
    const answer = await fetch(`${api}/api/products`);
    const { season, products } = await answer.json();
    const list = products.map(({ name, cents }) => `<li>${name}: ${(cents / 100).toFixed(2)}</li>`).join('');
    const page = `<!doctype html><h1>Shop in ${season}</h1><ul>${list}</ul>`;
    response.writeHead(200, { 'content-type': 'text/html', 'content-length': Buffer.byteLength(page) });
    response.end(page);
  } catch (error) {
    response.writeHead(502, { 'content-length': 0 }).end();
    console.error(`${request.url}: ${error.cause ?? error}`);
  }
});
server.listen(8080);
process.on('SIGTERM', () => server.close(() => process.exit(0)));
