/**
 * The auth provider `oidc` of a kubeconfig, as client-go has it (plugin/pkg/client/auth/oidc): the id-token, or a new one
 * for the refresh-token if that has expired. A new one is held in memory; kubectl writes it into the kubeconfig.
 *
 * No message quotes an answer of the provider: it may have tokens in it.
 */
import https from "node:https";
import { isIP } from "node:net";
import { URL, URLSearchParams } from "node:url";
import { fieldsOf, parseJson } from "../cli/json.ts";
import { readAll } from "./answer-body.ts";
import { ProxiedHttpsAgent } from "./proxied-agent.ts";
import { proxyFromEnvironment } from "./proxy-environment.ts";

/** Reads a file or base64 data of the kubeconfig. */
type ReadPem = (file: string | undefined, data: string | undefined) => Promise<Buffer | undefined>;

/** A token that is about to expire counts as expired, as in client-go. */
const EXPIRY_DELTA_MS = 10_000;
const TIMEOUT_MS = 30_000;
const MAX_ANSWER = 1024 * 1024;

/**
 * Gives the token; told that the server refused the last one, it gets a new one.
 *
 * @param config of the auth provider
 * @param now milliseconds since the epoch
 */
export function oidcTokens(
  config: Readonly<Record<string, string>>,
  readPem: ReadPem,
  now: () => number = Date.now,
): (refused: boolean) => Promise<string> {
  let { "id-token": token = "", "refresh-token": refreshToken = "" } = config;
  return async (refused) => {
    try {
      if (token !== "" && !refused && now() + EXPIRY_DELTA_MS < expiryOf(token)) return token;
      if (refreshToken === "") throw new Error("its id-token is not valid, and there is no refresh-token");
      const ca = await readPem(config["idp-certificate-authority"], config["idp-certificate-authority-data"]);
      const fresh = await refresh(config, refreshToken, ca);
      token = fresh.token;
      refreshToken = fresh.refreshToken ?? refreshToken;
      return token;
    } catch (cause) {
      const reason = (cause as Error).message;
      throw new Error(
        `auth provider oidc failed: ${reason}: log in again, so that the kubeconfig has a fresh id-token`,
        { cause },
      );
    }
  };
}

/** When a JSON web token expires, in milliseconds since the epoch. */
function expiryOf(token: string): number {
  const parts = token.split(".");
  try {
    if (parts.length !== 3) throw new Error("it has no three parts");
    const { exp } = fieldsOf(parseJson(Buffer.from(parts[1]!, "base64url").toString())) ?? {};
    return typeof exp === "number" ? exp * 1000 : 0;
  } catch {
    throw new Error("its id-token is not a JSON web token");
  }
}

async function refresh(
  config: Readonly<Record<string, string>>,
  refreshToken: string,
  ca: Buffer | undefined,
): Promise<{ token: string; refreshToken: string | undefined }> {
  const issuer = (config["idp-issuer-url"] ?? "").replace(/\/$/, "");
  const discovered = await ask("GET", `${issuer}/.well-known/openid-configuration`, ca);
  const { token_endpoint: endpoint } = fieldsOf(discovered.body) ?? {};
  if (discovered.status !== 200 || typeof endpoint !== "string" || endpoint === "")
    throw new Error(`its provider answers ${discovered.status} and no token_endpoint`);
  const [id = "", secret = ""] = [config["client-id"], config["client-secret"]];
  const grant = { grant_type: "refresh_token", refresh_token: refreshToken };
  // As Go's oauth2 finds it out: some providers take the client's login in a header, some in the body.
  const login = Buffer.from([id, secret].map(encodeURIComponent).join(":")).toString("base64");
  let answer = await ask("POST", endpoint, ca, grant, { authorization: `Basic ${login}` });
  if (answer.status !== 200) {
    const own = { client_id: id, ...(secret === "" ? {} : { client_secret: secret }) };
    answer = await ask("POST", endpoint, ca, { ...grant, ...own });
  }
  const { id_token: token, refresh_token: next } = fieldsOf(answer.body) ?? {};
  if (answer.status !== 200) throw new Error(`its provider answers ${answer.status} to the refresh-token`);
  if (typeof token !== "string" || token === "") throw new Error("its provider gives no id_token");
  return { token, refreshToken: typeof next === "string" && next !== "" ? next : undefined };
}

/** Asks the provider by TLS alone. @throws Error with the host and the reason */
async function ask(
  method: string,
  address: string,
  ca: Buffer | undefined,
  form?: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; body: unknown }> {
  if (!URL.canParse(address) || new URL(address).protocol !== "https:")
    throw new Error("the address of its provider does not begin with https://");
  const url = new URL(address);
  const { hostname, port, host } = url;
  const name = hostname.replace(/^\[|\]$/g, "");
  const trust = { rejectUnauthorized: true, ...(ca ? { ca } : {}), ...(isIP(name) ? {} : { servername: name }) };
  const target = { host: name, port: Number(port || 443) };
  const proxy = proxyFromEnvironment(address, process.env);
  const agent = proxy ? new ProxiedHttpsAgent({}, proxy, target, trust) : new https.Agent(trust);
  const content = form && new URLSearchParams(form).toString();
  const type = form && { "content-type": "application/x-www-form-urlencoded" };
  let failure: unknown;
  try {
    return await new Promise((resolve, reject) => {
      const request = https.request(
        {
          ...trust,
          ...target,
          agent,
          method,
          path: url.href.slice(url.origin.length),
          headers: { host, ...type, ...headers },
        },
        (incoming) => {
          readAll(incoming, { maxBytes: MAX_ANSWER, failure: () => failure, fail }).then(
            (text) => resolve({ status: incoming.statusCode ?? 0, body: jsonOf(text) }),
            reject,
          );
        },
      );
      const fail = (error: unknown): void => {
        failure ??= error;
        request.destroy();
        reject(failure as Error);
      };
      const timer = setTimeout(() => fail(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)), TIMEOUT_MS);
      request.on("close", () => clearTimeout(timer));
      request.on("error", (error) => reject((failure ?? error) as Error));
      request.end(content);
    });
  } catch (cause) {
    throw new Error(`${host} cannot be asked: ${(cause as Error).message}`, { cause });
  } finally {
    agent.destroy();
  }
}

/** undefined if it is no JSON, such as a page. */
function jsonOf(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}
