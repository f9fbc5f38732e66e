/** A provider of OpenID Connect for tests, on loopback: discovery, and tokens for refresh-tokens. */
import type { IncomingMessage, ServerResponse } from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";

export interface TestIssuer extends AsyncDisposable {
  /** With "localhost" as host. */
  url: string;
  /** What was asked for; of a refresh, where the client's login was. */
  asked: string[];
  /** The id_token that is given; none if undefined. */
  token: string | undefined;
  /** Where the client's login must be. */
  login: "header" | "body" | "none";
  /** Given instead of the discovery document. */
  page: string | undefined;
  reset(): void;
}

/** A JSON web token that expires at a time, in seconds since the epoch. Nobody has signed it. */
export function webToken(exp: number | undefined): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "none" })}.${part({ exp })}.x`;
}

/** @param tls PEM of the server */
export async function startIssuer(tls: { cert: string; key: string }): Promise<TestIssuer> {
  const server = https.createServer(tls, (request, response) => {
    void answer(request, response);
  });
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const body = new URLSearchParams(await new Response(request as never).text());
    if (request.url !== "/token") {
      issuer.asked.push(`${request.method} ${request.url}`);
      response.end(issuer.page ?? JSON.stringify({ issuer: issuer.url, token_endpoint: `${issuer.url}/token` }));
      return;
    }
    const inHeader = Buffer.from(request.headers.authorization?.replace("Basic ", "") ?? "", "base64").toString();
    const inBody = `${body.get("client_id")}:${body.get("client_secret")}`;
    const where = inHeader === "kubectl%2Fx:s3cr%3At" ? "header" : inBody === "kubectl/x:s3cr:t" ? "body" : "nowhere";
    issuer.asked.push(`POST /token refresh_token=${body.get("refresh_token")} ${where}`);
    if (where !== issuer.login || body.get("grant_type") !== "refresh_token") {
      response.writeHead(400).end(JSON.stringify({ error: "invalid_client", error_description: "SECRET" }));
      return;
    }
    const next = { refresh_token: `${body.get("refresh_token")}-next`, access_token: "a", token_type: "Bearer" };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ ...next, ...(issuer.token === undefined ? {} : { id_token: issuer.token }) }));
  };
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve));
  const issuer: TestIssuer = {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    asked: [],
    token: undefined,
    login: "header",
    page: undefined,
    reset() {
      Object.assign(issuer, { token: undefined, login: "header", page: undefined });
      issuer.asked.splice(0);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return issuer;
}
