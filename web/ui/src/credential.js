// The caller's credential. It stays in this browser tab (sessionStorage), shared by all pages of this server: the charts, the
// playground and the API documentation.
const item = 'coingraph.key';
let credential = '';

try { credential = sessionStorage.getItem(item) ?? ''; } catch { /* storage is switched off: the key lasts as long as the page */ }

export const get = () => credential;

export function set(value) {
  credential = value;
  try {
    if (value) sessionStorage.setItem(item, value);
    else sessionStorage.removeItem(item);
  } catch { /* as above */ }
}

/** Three parts, of which the first is a JSON object in base64url: no API key looks like this. */
export const isToken = (value) => /^eyJ[\w-]*\.[\w-]+\.[\w-]+$/.test(value);

/** What a header can carry. */
export const isSendable = (value) => /^[!-~]+$/.test(value);

export function headers() {
  if (!credential) return {};
  return isToken(credential) ? { Authorization: `Bearer ${credential}` } : { 'X-API-Key': credential };
}
