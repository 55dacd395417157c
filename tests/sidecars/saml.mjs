// A SAML identity provider (npm samlp) that signs in whoever `people.next` names, in this process.
import express from 'express';
import samlp from 'samlp';
import { claims } from './people.mjs';

const ATTRIBUTES = ['email', 'preferred_username', 'groups'];

function profileMapper(user) {
  return {
    getClaims: () => Object.fromEntries(ATTRIBUTES.map((name) => [name, user[name]])),
    getNameIdentifier: () => ({
      nameIdentifier: user.sub,
      nameIdentifierFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    }),
  };
}
profileMapper.prototype.metadata = ATTRIBUTES.map((id) =>
  ({ id, displayName: id, description: id, optional: true, multiValue: id === 'groups' }));

/** Starts a provider on a free port. */
export async function startSaml({ cert, key, people }) {
  const app = express();
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.on('listening', resolve));
  const base = `http://127.0.0.1:${server.address().port}`;
  const issuer = `${base}/metadata`;
  app.get('/sso', (request, response, next) => samlp.parseRequest(request, (error, asked) => {
    if (error) return next(error);
    const consumer = asked.assertionConsumerServiceURL;
    // The addressee of an answer is set when the handler is made, so each answer has its own.
    return samlp.auth({
      issuer,
      cert,
      key,
      profileMapper,
      signatureAlgorithm: 'rsa-sha256',
      digestAlgorithm: 'sha256',
      signResponse: true,
      signAssertion: true,
      lifetimeInSeconds: 300,
      includeAttributeNameFormat: true,
      sessionIndex: `_${people.next}`,
      destination: consumer,
      recipient: consumer,
      authnContextClassRef: 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport',
      getPostURL: (_audience, _dom, _request, answer) => answer(null, consumer),
      getUserFromRequest: () => claims(people.next),
    })(request, response, next);
  }));
  app.get('/metadata', samlp.metadata({
    issuer,
    cert,
    endpointPath: '/sso',
    redirectEndpointPath: '/sso',
    postEndpointPath: '/sso',
    logoutEndpointPaths: { redirect: '/logout' },
    profileMapper,
  }));
  return { metadata: issuer };
}
