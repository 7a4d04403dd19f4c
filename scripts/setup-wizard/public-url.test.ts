import { expect, it } from 'vitest';
import { publicUrlProblem } from './public-url.ts';

it.each([
  'https://bridge.example.com',
  'https://bridge.example.com/',
  'https://bridge.up.railway.app:8443/behind/a/path',
  'https://8.8.8.8',
  'https://[2606:4700:4700::1111]',
])('takes an address that Revid.ai can call: %s', (url) => {
  expect(publicUrlProblem(url)).toBeUndefined();
});

it.each([
  ['bridge.example.com', /not an address/],
  ['http://bridge.example.com', /https/],
  ['https://localhost:8001', /only this machine or network/],
  ['https://localhost./', /only this machine or network/],
  ['https://bridge', /only this machine or network/],
  ['https://revid-bridge.railway.internal', /only this machine or network/],
  ['https://mac.local', /only this machine or network/],
  ['https://127.0.0.1:8001', /loopback/],
  ['https://0x7f.1', /loopback/],
  ['https://10.1.2.3', /private/],
  ['https://192.168.0.4', /private/],
  ['https://169.254.169.254', /linkLocal/],
  ['https://[::1]', /loopback/],
  ['https://[::ffff:10.0.0.1]', /ipv4Mapped/],
  ['https://user:pass@bridge.example.com', /user name or a password/],
  ['https://bridge.example.com/?token=1', /\? or #/],
])('refuses %s, and says why', (url, why) => {
  expect(publicUrlProblem(url)).toMatch(why);
});
