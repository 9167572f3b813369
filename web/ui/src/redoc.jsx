import './nonce.js';
import { createRoot } from 'react-dom/client';
import { RedocStandalone } from 'redoc';

createRoot(document.getElementById('root')).render(
  <RedocStandalone
    specUrl="/openapi.json"
    options={{
      disableSearch: false,
      expandResponses: '200',
      hideHostname: true,
      sortTagsAlphabetically: false,
      theme: { colors: { primary: { main: '#0b6b74' } }, typography: { fontFamily: 'system-ui, sans-serif', headings: { fontFamily: 'system-ui, sans-serif' } } },
    }}
  />,
);
