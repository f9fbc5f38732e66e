import { setTimeout as delay } from "node:timers/promises";
import { registryOf } from "./access.ts";
import { diagnose, lastLines } from "./diagnose.ts";
import type { LocalImage, RegistryOptions } from "./engine.ts";
import type { LocalStore } from "./local-store.ts";

/** What a registry has under a name, as far as the engine can find out. */
export type RegistryImage =
  | { kind: "absent" }
  /** `digest` is that of the manifest; undefined if the engine knows several of this image. */
  | { kind: "image"; image: LocalImage; digest: string | undefined }
  /** An image that this machine cannot have, such as one for other platforms. */
  | { kind: "other" }
  /** The engine was not told, for `reason`. It may be able to push all the same. */
  | { kind: "unknown"; reason: string };

/** Time limit for the answer. A large image that is not here yet is fetched meanwhile. */
const LIMIT_MS = 600_000;
/** The wait before a registry that did not answer is asked again, in milliseconds. */
const RETRY_AFTER_MS = 1000;

/*
 * What podman and buildah (containers/image), docker and the registries say. A text that is not known here only costs a
 * warning.
 */
const ABSENT =
  /manifest unknown|name unknown|repository name not known|(artifact|repository|manifest)\b[^\n]*\bnot found|: not found\s*$/im;
const OTHER_PLATFORM =
  /no (image|matching manifest|child)[^\n]*(platform|architecture|manifest list|image index)|does not match the specified platform/i;
/** No answer has come, which may be another the next moment. */
const NO_ANSWER =
  /connection (refused|reset)|no such host|server misbehaving|timeout|deadline exceeded|network is unreachable|no route to host|temporary failure|: EOF\s*$/im;
/** What engines say of a request for a registry's API: the registry and the reason. */
const REQUEST = /\b(?:Get|Head) "https?:\/\/([^/"\s]+)\/v2\/[^"\s]*": ([^\n]+)/g;
/** A push fails for the same reason, whatever the registry allows. */
const HOPELESS =
  /x509:|tls: failed to verify|server gave HTTP response to HTTPS client|(invalid|incorrect) username( or |\/)password/i;
/** What podman and buildah say of the mirrors that they have asked before. They push past mirrors. */
const MIRRORS = /\(Mirrors also failed: [^\n]*\]\): /g;

/**
 * Asks a registry for the image under a tag. The engine does that by fetching the image, because it alone knows the
 * proxies, mirrors, certificates and logins with which it will push, and checks what registries answer. A name that the
 * local store has is left on the image that it has there. A registry that does not answer is asked once more.
 *
 * @throws Error if no push can succeed: the tag's own registry has no TLS, a certificate that is not trusted, or refuses
 * the login. An engine that does not name the registry which does so may push to another one.
 */
export async function registryImage(
  tag: string,
  store: LocalStore,
  registry: RegistryOptions,
  signal?: AbortSignal,
  { limitMs = LIMIT_MS, retryAfterMs = RETRY_AFTER_MS } = {},
): Promise<RegistryImage> {
  const before = await store.inspect(tag);
  const limit = AbortSignal.timeout(limitMs);
  let output: string;
  try {
    const pull = () => store.run(store.engine.pull(tag, registry), () => undefined, limit);
    let pulled = await pull();
    if (pulled.code !== 0 && NO_ANSWER.test(pulled.output.replace(MIRRORS, ""))) {
      await delay(retryAfterMs, undefined, { signal: signal ? AbortSignal.any([signal, limit]) : limit });
      pulled = await pull();
    }
    if (pulled.code === 0) return await look(tag, before, store);
    output = pulled.output.replace(MIRRORS, "");
  } catch (error) {
    if (!limit.aborted || signal?.aborted) throw error;
    return { kind: "unknown", reason: `${store.engine.name} has no answer within ${Math.ceil(limitMs / 60_000)} min` };
  }
  if (ABSENT.test(output)) return { kind: "absent" };
  if (OTHER_PLATFORM.test(output)) return { kind: "other" };
  const refused = hopeless(tag, output);
  if (refused !== undefined) {
    const known = diagnose(refused);
    throw new Error(`Cannot push ${tag}: ${known ? `${known.cause}; ${known.remedy}` : refused}`);
  }
  const last = lastLines(output, 1)[0]?.slice(0, 500) ?? `${store.engine.name} does not say why`;
  return { kind: "unknown", reason: NO_ANSWER.test(output) ? `it could not be asked: ${last}` : last };
}

/** Why no push of this tag can succeed, in the engine's words; undefined if one may. */
function hopeless(tag: string, output: string): string | undefined {
  const own = [...output.matchAll(REQUEST)].filter(([, host]) => host === registryOf(tag));
  return own.map(([, , reason = ""]) => reason).findLast((reason) => HOPELESS.test(reason));
}

async function look(tag: string, before: LocalImage | undefined, store: LocalStore): Promise<RegistryImage> {
  const image = await store.inspect(tag);
  if (!image) return { kind: "unknown", reason: `${store.engine.name} fetched it and does not know it` };
  if (before && before.id !== image.id) await store.must(`tag ${tag}`, store.engine.tag(before.id, tag));
  return { kind: "image", image, digest: fetchedDigest(image, before?.id === image.id ? before : undefined) };
}

/**
 * Of the digests under which the engine knows an image, the one that was just fetched. An engine gives an image that it
 * has built a digest too (ownDigest), which no registry has: layers are compressed for a push.
 */
function fetchedDigest(image: LocalImage, before: LocalImage | undefined): string | undefined {
  const fresh = image.digests.filter((digest) => before && !before.digests.includes(digest));
  if (fresh.length === 1) return fresh[0];
  const others = image.digests.filter((digest) => digest !== image.ownDigest);
  const candidates = others.length > 0 ? others : image.digests;
  return candidates.length === 1 ? candidates[0] : undefined;
}
