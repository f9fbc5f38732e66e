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

/*
 * What podman and buildah (containers/image), docker and the registries say. A text that is not known here only costs a
 * warning.
 */
const ABSENT =
  /manifest unknown|name unknown|repository name not known|(artifact|repository|manifest)\b[^\n]*\bnot found|: not found\s*$/im;
const OTHER_PLATFORM =
  /no (image|matching manifest|child)[^\n]*(platform|architecture|manifest list|image index)|does not match the specified platform/i;
/** The engine cannot even begin to talk with the registry. No push can succeed then. */
const UNREACHABLE = /pinging container registry|Get "https?:\/\/[^"\s]*\/v2\/":/i;
const WRONG_PASSWORD = /(invalid|incorrect) username( or |\/)password/i;

/**
 * Asks a registry for the image under a tag. The engine does that by fetching the image, because it alone knows the
 * proxies, mirrors, certificates and logins with which it will push, and checks what registries answer. A name that the
 * local store has is left on the image that it has there.
 *
 * @throws Error if the engine cannot reach the registry or has a wrong password, so that no push can succeed
 */
export async function registryImage(
  tag: string,
  store: LocalStore,
  registry: RegistryOptions,
  signal?: AbortSignal,
  limitMs = LIMIT_MS,
): Promise<RegistryImage> {
  const before = await store.inspect(tag);
  const limit = AbortSignal.timeout(limitMs);
  let output: string;
  try {
    const pulled = await store.run(store.engine.pull(tag, registry), () => undefined, limit);
    if (pulled.code === 0) return await look(tag, before, store);
    output = pulled.output;
  } catch (error) {
    if (!limit.aborted || signal?.aborted) throw error;
    return { kind: "unknown", reason: `${store.engine.name} has no answer within ${Math.ceil(limitMs / 60_000)} min` };
  }
  if (ABSENT.test(output)) return { kind: "absent" };
  if (OTHER_PLATFORM.test(output)) return { kind: "other" };
  // What stands in front of the reason looks like that of a base image which is missing.
  const known = diagnose(output.replace(/initializing source docker:\/\/\S+ /g, ""));
  if (known && (WRONG_PASSWORD.test(output) || UNREACHABLE.test(output))) {
    throw new Error(`Cannot push ${tag}: ${known.cause}; ${known.remedy}`);
  }
  return { kind: "unknown", reason: lastLines(output, 1)[0]?.slice(0, 500) ?? `${store.engine.name} does not say why` };
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
