import type { KmmCapabilities } from "../../api/kmm.ts";
import { Kmm1, NoKmm } from "./kmm1.ts";
import { Kmm2 } from "./kmm2.ts";
import type { Kmm } from "./kmm.ts";

/** The implementation for the installed KMM. */
export function kmmFor(capabilities: KmmCapabilities | undefined): Kmm {
  if (!capabilities) return new NoKmm();
  return capabilities.nodeModulesConfig ? new Kmm2(capabilities) : new Kmm1(capabilities);
}
