const app = require('./app');

const server = app.listen(3000);
// Connections that are idle end with the process; those in use are answered first.
process.on('SIGTERM', () => server.close(() => process.exit(0)));
