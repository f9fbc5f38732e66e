import { setTimeout as delay } from "node:timers/promises";
import { readRegularFile } from "../cli/regular-file.ts";
import { digestPath, type WorkFiles } from "./commands.ts";
import { diagnose, lastLines } from "./diagnose.ts";
import { reach, type RegistryAccess } from "./access.ts";
import { digestInOutput, type LocalImage } from "./engine.ts";
import { LABEL_BUILD_KEY } from "./labels.ts";
import { MORE_TIME, TimeLimitError } from "./limits.ts";
import type { LocalStore } from "./local-store.ts";
import type { PlannedImage } from "./plan.ts";
import type { Progress } from "./progress.ts";
import type { RegistryImage } from "./registry-image.ts";

/** What to do with an image whose name may exist in the registry. */
export type PushDecision =
  /** The registry does not have the name, its content may be replaced, or what it has is not known. */
  | { do: "push" }
  /** The registry has what would be built, as `image`. If its digest is not known, pushing it again tells it. */
  | { do: "keep"; image: LocalImage; digest: string | undefined }
  /** The registry has other content. */
  | { do: "refuse"; digest: string | undefined };

/** Decides before the build, so that nobody waits for a build whose result must not be pushed. */
export function decidePush(planned: PlannedImage, found: RegistryImage, force: boolean): PushDecision {
  if (found.kind === "absent" || found.kind === "unknown") return { do: "push" };
  const digest = found.kind === "image" ? found.digest : undefined;
  if (found.kind === "image") {
    const key = planned.labels.find(([name]) => name === LABEL_BUILD_KEY)?.[1];
    const same = key !== undefined && found.image.labels[LABEL_BUILD_KEY] === key;
    if (same || found.image.id === planned.reuse) return { do: "keep", image: found.image, digest };
  }
  return force ? { do: "push" } : { do: "refuse", digest };
}

/** A digest and a line end, in bytes. */
const MAX_ID = 1024;
/** The waits before the second and the third attempt to push, in milliseconds. */
const RETRY_AFTER_MS = [1000, 5000];

/** Dependencies of a push. */
export interface PushDeps {
  store: LocalStore;
  progress: Progress;
  registry: RegistryAccess;
  work: WorkFiles;
  signal: AbortSignal;
}

/** Waits for so many milliseconds, or throws the signal's reason. */
type Sleep = (ms: number, signal: AbortSignal) => Promise<unknown>;
const sleepFor: Sleep = (ms, signal) => delay(ms, undefined, { signal });

/**
 * Pushes an image under its name and returns the digest that it has there.
 * A registry sets the name as the last step, so a failed push leaves no name.
 *
 * @throws Error if the registry refuses, or if the third attempt fails
 */
export async function pushImage(planned: PlannedImage, deps: PushDeps, sleep: Sleep = sleepFor): Promise<string> {
  const { store, progress, signal } = deps;
  const file = digestPath(deps.work, planned);
  const step = progress.begin(`push ${planned.name}`);
  let ok = false;
  try {
    for (const wait of [...RETRY_AFTER_MS, undefined]) {
      const { code, output } = await store
        .run(store.engine.push(planned.tag, reach(deps.registry, planned.tag), file), (line) => step.line(line))
        .catch((cause: unknown) => {
          if (!(cause instanceof TimeLimitError)) throw cause;
          throw new Error(`Cannot push ${planned.tag}: ${cause.message}; ${MORE_TIME}`, { cause });
        });
      if (code === 0) {
        const digest = (await readRegularFile(file, MAX_ID).catch(() => digestInOutput(output)))?.toString().trim();
        if (digest === undefined)
          throw new Error(`Cannot tell the digest of ${planned.tag}: ${store.engine.name} does not report it`);
        ok = true;
        return digest;
      }
      const known = diagnose(output);
      if (wait === undefined || /login|TLS|trusted|disk/.test(known?.cause ?? "")) {
        const reason = known ? `${known.cause}; ${known.remedy}` : lastLines(output, 2).join(" ");
        throw new Error(`Cannot push ${planned.tag}: ${reason}`);
      }
      step.line(`Failed, trying again in ${wait / 1000} s`);
      await sleep(wait, signal);
    }
    throw new Error(`Cannot push ${planned.tag}`);
  } finally {
    step.end(ok);
  }
}
