// The package `oidc-provider`, a certified OpenID Connect provider, with the clients and people it is
// told on its standard input. It writes a line once it listens.

import { readFileSync } from "node:fs";

import Provider from "oidc-provider";

const orders = JSON.parse(readFileSync(0, "utf8"));

const provider = new Provider(orders.issuer, {
  clients: orders.clients,
  // Only what the ID token has to have; the rest is for the userinfo endpoint, as the standard says.
  conformIdTokenClaims: orders.conform,
  claims: {
    openid: ["sub"],
    email: ["email", "email_verified"],
    profile: ["name"],
    groups: ["groups"],
  },
  scopes: ["openid", "email", "profile", "groups"],
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
  findAccount: (_context, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, ...orders.people[id] }),
  }),
});

provider.listen(orders.port, "127.0.0.1", () => console.log("listening"));
