// For HEALTHCHECK: ends with 0 if the store in this container serves with all of its virtual nodes, else with 1.
import { get as getHttp } from 'node:http';
import { get as getHttps } from 'node:https';

const { RINGLET_HTTP = '', RINGLET_TLS_CERT = '' } = process.env;
const port = RINGLET_HTTP.slice(RINGLET_HTTP.lastIndexOf(':') + 1);
// The certificate is for the name that clients use, and here nobody is in between.
const options = { host: '127.0.0.1', port, path: '/healthz', timeout: 3_000, rejectUnauthorized: false };

const request = (RINGLET_TLS_CERT === '' ? getHttp : getHttps)(options, (response) => {
  response.resume();
  if (response.statusCode !== 200) fail(`/healthz answers ${response.statusCode}`);
});
request.on('timeout', () => request.destroy(new Error('no answer within 3 s')));
request.on('error', ({ message }) => fail(message));

function fail(reason) {
  console.error(reason);
  process.exitCode = 1;
}
