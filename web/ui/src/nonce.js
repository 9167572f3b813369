// The page's nonce, for libraries that add <style> elements: the Content-Security-Policy lets no others in. It comes
// first in each bundle, because the script that runs is known only while it loads.
import { setNonce } from 'get-nonce';

globalThis.styleNonce = document.currentScript.nonce; // where styled-components looks: see build.mjs
setNonce(globalThis.styleNonce); // react-remove-scroll, under the dialogs
