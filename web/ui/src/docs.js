import * as credential from './credential.js';

const ui = globalThis.SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#root',
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  persistAuthorization: false, // that would be localStorage
  validatorUrl: null, // that would be another host
  onComplete() {
    const value = credential.get();
    if (value && credential.isToken(value)) ui.preauthorizeApiKey('JWT', value);
    else if (value) ui.preauthorizeApiKey('ApiKey', value);
  },
});
