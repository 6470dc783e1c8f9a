// Sessions of an express server: a visitor who comes again is known.
//   npm install ringlet express express-session && node session.js
import { once } from 'node:events';
import express from 'express';
import session from 'express-session';
import { open } from 'ringlet';
import { RingletSessionStore } from 'ringlet/session';

const store = await open({ data: './example-data', nodes: 3 });
const app = express();
app.use(
  session({
    store: new RingletSessionStore({ store }),
    secret: 'choose a long one, and keep it out of the code',
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: 3_600_000 },
  }),
);
app.get('/', (request, response) => {
  request.session.visits = (request.session.visits ?? 0) + 1;
  response.send(`visit ${request.session.visits}`);
});
const server = app.listen(0, '127.0.0.1');
await once(server, 'listening');

// A visitor with a cookie, and one without.
const address = `http://127.0.0.1:${server.address().port}/`;
const first = await fetch(address);
const headers = { cookie: first.headers.get('set-cookie').split(';')[0] };
console.log(await first.text());
console.log('with the cookie:', await fetch(address, { headers }).then((answer) => answer.text()));
console.log('without:', await fetch(address).then((answer) => answer.text()));

server.closeAllConnections();
server.close();
await store.close();
