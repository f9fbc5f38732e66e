/** What a kubeconfig must look like before anything in it is used. client-node takes it for granted. */

type Fields = Record<string, unknown>;

/** @throws Error that names the place; it quotes nothing, because the file may have secrets */
export function checkShape(raw: unknown): asserts raw is Fields {
  if (!isObject(raw)) throw new Error("it is not a kubeconfig");
  for (const [list, inner, check] of [
    ["clusters", "cluster", checkCluster],
    ["users", "user", checkUser],
    ["contexts", "context", checkContext],
  ] as const) {
    const items = raw[list] ?? [];
    if (!Array.isArray(items)) throw new Error(`its ${list} are no list`);
    for (const [index, item] of items.entries()) {
      const where = `${list}[${index}]`;
      if (!isObject(item) || typeof item["name"] !== "string") throw new Error(`its ${where} has no name`);
      const content = item[inner] ?? {};
      if (!isObject(content)) throw new Error(`its ${where}.${inner} has no fields`);
      check(content, `${where}.${inner}`);
    }
  }
}

function checkCluster(cluster: Fields, where: string): void {
  if (typeof cluster["server"] !== "string") throw new Error(`its ${where} has no server`);
  texts(cluster, ["certificate-authority", "certificate-authority-data", "tls-server-name", "proxy-url"], where);
}

function checkContext(context: Fields, where: string): void {
  if (typeof context["cluster"] !== "string") throw new Error(`its ${where} has no cluster`);
  texts(context, ["user", "namespace"], where);
}

function checkUser(user: Fields, where: string): void {
  texts(
    user,
    [
      "token",
      "tokenFile",
      "username",
      "password",
      "client-certificate",
      "client-certificate-data",
      "client-key",
      "client-key-data",
    ],
    where,
  );
  const exec = user["exec"] ?? {};
  if (!isObject(exec)) throw new Error(`its ${where}.exec has no fields`);
  texts(exec, ["apiVersion", "command", "installHint", "interactiveMode"], `${where}.exec`);
  const args = exec["args"] ?? [];
  if (!Array.isArray(args) || !args.every((each) => typeof each === "string"))
    throw new Error(`its ${where}.exec.args is no list of texts`);
  const env = exec["env"] ?? [];
  const isEnv = (each: unknown): boolean =>
    isObject(each) && typeof each["name"] === "string" && typeof each["value"] === "string";
  if (!Array.isArray(env) || !env.every(isEnv)) throw new Error(`its ${where}.exec.env is no list of names and values`);
}

function texts(fields: Fields, names: readonly string[], where: string): void {
  for (const name of names) {
    if (typeof (fields[name] ?? "") !== "string") throw new Error(`its ${where}.${name} is no text`);
  }
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
