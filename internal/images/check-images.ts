/** Whether images exist, as far as the container engine of this machine can find out. */
import { errorText } from "../cli/errors.ts";
import type { RegistryAccess } from "./access.ts";
import { reach } from "./access.ts";
import { findEngine } from "./detect-engine.ts";
import type { EngineName } from "./engine.ts";
import { LocalStore } from "./local-store.ts";
import { registryImage } from "./registry-image.ts";
import type { RunDeps } from "./run.ts";

/** What is said of one image. */
export interface ImageFinding {
  what: string;
  result: "ok" | "failed" | "unknown";
  message: string;
}

/** Asks the registries for images, one after the other: the engine fetches each. */
export async function checkImages(
  images: readonly string[],
  options: { engine: EngineName | undefined; access: RegistryAccess },
  { runner, signal, root }: RunDeps,
): Promise<ImageFinding[]> {
  const finding = (image: string, result: ImageFinding["result"], message: string): ImageFinding => ({
    what: `image ${image}`,
    result,
    message,
  });
  let store: LocalStore;
  try {
    const engine = await findEngine({ runner, wanted: options.engine, registry: options.access, root, signal });
    store = new LocalStore(engine, runner, { signal, builds: false });
  } catch (error) {
    signal?.throwIfAborted();
    return images.map((image) => finding(image, "unknown", errorText(error)));
  }
  const findings: ImageFinding[] = [];
  for (const image of images) {
    try {
      const found = await registryImage(image, store, reach(options.access, image), signal);
      if (found.kind === "absent") findings.push(finding(image, "failed", "The registry does not have it; push it"));
      else if (found.kind === "unknown") findings.push(finding(image, "unknown", found.reason));
      else findings.push(finding(image, "ok", "The registry has it"));
    } catch (error) {
      signal?.throwIfAborted();
      findings.push(finding(image, "unknown", errorText(error).replace(/^Cannot push/, "Cannot ask for")));
    }
  }
  return findings;
}
