import { fieldsOf } from "../cli/json.ts";

/** The lists of a kubeconfig, what an item has beside its name, and the texts in it. */
const LISTS: Readonly<Record<string, { part: string; texts: readonly string[] }>> = {
  clusters: {
    part: "cluster",
    texts: ["server", "tls-server-name", "certificate-authority", "certificate-authority-data", "proxy-url"],
  },
  users: {
    part: "user",
    texts: ["client-certificate", "client-certificate-data", "client-key", "client-key-data"].concat([
      "token",
      "tokenFile",
      "username",
      "password",
      "as",
      "as-uid",
    ]),
  },
  contexts: { part: "context", texts: ["cluster", "user", "namespace"] },
};

/**
 * Checks that a kubeconfig has lists, objects and texts where such are expected, as kubectl does.
 *
 * @throws Error that names the field, and not its value
 */
export function checkShape(raw: Readonly<Record<string, unknown>>): void {
  for (const [list, { part, texts }] of Object.entries(LISTS)) {
    const items = raw[list] ?? [];
    if (!Array.isArray(items)) throw new Error(`its ${list} are not a list`);
    for (const [index, item] of items.entries()) {
      const where = `${list}[${index}]`;
      const fields = fieldsOf(item);
      if (!fields) throw new Error(`${where} is not a mapping`);
      if (typeof fields["name"] !== "string") throw new Error(`${where}.name is not a string`);
      const inner = fieldsOf(fields[part] ?? {});
      if (!inner) throw new Error(`${where}.${part} is not a mapping`);
      for (const text of texts) {
        if (typeof (inner[text] ?? "") !== "string")
          throw new Error(`${where}.${part}.${text} is not a string: put it in quotes`);
      }
      if (part === "user") checkLogin(inner, `${where}.user`);
    }
  }
}

function checkLogin(user: Record<string, unknown>, where: string): void {
  const { exec, "auth-provider": provider } = user;
  const fields = fieldsOf(exec ?? {});
  if (!fields) throw new Error(`${where}.exec is not a mapping`);
  for (const text of ["apiVersion", "command", "installHint", "interactiveMode"]) {
    if (typeof (fields[text] ?? "") !== "string") throw new Error(`${where}.exec.${text} is not a string`);
  }
  const args = fields["args"] ?? [];
  if (!Array.isArray(args) || args.some((arg) => typeof arg !== "string"))
    throw new Error(`${where}.exec.args is not a list of strings`);
  const env = fields["env"] ?? [];
  const isVariable = (each: unknown): boolean =>
    typeof fieldsOf(each)?.["name"] === "string" && typeof fieldsOf(each)?.["value"] === "string";
  if (!Array.isArray(env) || !env.every(isVariable))
    throw new Error(`${where}.exec.env is not a list of names and values`);
  if (!fieldsOf(provider ?? {})) throw new Error(`${where}.auth-provider is not a mapping`);
}
