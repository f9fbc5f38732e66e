/** The implementations of KMM, for tests of what they are given to. */
import type { KmmCapabilities } from "../../api/kmm.ts";
import { kmmFor } from "../kmm/installed.ts";

/** What KMM 1.1.0 offers. */
const KMM_1_CAPABILITIES: KmmCapabilities = {
  tolerations: false,
  pluralInTree: false,
  nodeModulesConfig: false,
  moduleImagesConfig: false,
};
/** What KMM 2.6 offers. */
export const KMM_2_CAPABILITIES: KmmCapabilities = {
  tolerations: true,
  pluralInTree: true,
  nodeModulesConfig: true,
  moduleImagesConfig: true,
};

export const KMM_1 = kmmFor(KMM_1_CAPABILITIES);
export const KMM_2 = kmmFor(KMM_2_CAPABILITIES);
export const NO_KMM = kmmFor(undefined);
