import { clusterArgs, type Args, type Context } from "../../internal/cli/command.ts";
import { errorText, UsageError } from "../../internal/cli/errors.ts";
import { printable } from "../../internal/cli/printable.ts";
import {
  FIRST_MINOR_WITH_POLICIES,
  parseKubernetesVersion,
  whyUnsupported,
  WITHOUT_POLICIES,
  type KubernetesVersion,
} from "../../internal/manifests/kubernetes-version.ts";

/** Flags that say for which cluster manifests are printed. */
export const kubernetesVersionArgs = {
  "kubernetes-version": {
    type: "string",
    valueHint: "VERSION",
    description: "Version of Kubernetes to print for, such as 1.27 (default: that of the cluster, else the newest)",
  },
  ...clusterArgs,
} as const satisfies Args;

type Asking = Pick<Context<typeof kubernetesVersionArgs>, "args" | "signal" | "log">;

/** Longest time for all that is asked, exec plugins included. */
const TIMEOUT_MS = 15_000;

/**
 * Whether the cluster takes admission policies: by --kubernetes-version, else the cluster is asked. If it does not, the log says
 * what is not enforced there. Without a cluster the newest Kubernetes is assumed.
 *
 * @throws UsageError for a version that is none, or too old
 * @throws Error if the cluster is too old, or one that the flags name cannot be asked
 */
export async function takesPolicies(context: Asking): Promise<boolean> {
  const { args, log } = context;
  const given = args["kubernetes-version"];
  if (given !== undefined) {
    const version = versionFlag(given);
    const takes = version.minor >= FIRST_MINOR_WITH_POLICIES;
    if (!takes)
      log.warn(`Kubernetes ${version.text} knows no admission policies, so they are left out: ${WITHOUT_POLICIES}`);
    return takes;
  }
  try {
    return await asked(context);
  } catch (error) {
    if (error instanceof TooOld || args.kubeconfig !== undefined || args.context !== undefined) throw error;
    context.signal.throwIfAborted();
    log.warn(
      `Printed for Kubernetes 1.${FIRST_MINOR_WITH_POLICIES} and later, because no cluster could be asked; for an older one give --kubernetes-version`,
      { reason: errorText(error) },
    );
    return true;
  }
}

class TooOld extends Error {}

function versionFlag(text: string): KubernetesVersion {
  const version = parseKubernetesVersion(text);
  const wrong = version
    ? whyUnsupported(version)
    : "give a version of Kubernetes such as 1.27; kubectl version says it";
  if (!version || wrong !== undefined) throw new UsageError(`Flag --kubernetes-version cannot be "${text}": ${wrong}`);
  return version;
}

async function asked({ args, signal, log }: Asking): Promise<boolean> {
  // Loaded only here: a version that is given must not load the API client.
  const [{ connectAsPerson }, { serves, serverVersion }, { VALIDATING_ADMISSION_POLICIES }] = await Promise.all([
    import("./connect.ts"),
    import("../../internal/kube/server-version.ts"),
    import("../../internal/kube/resource.ts"),
  ]);
  const client = await connectAsPerson(args);
  const deadline = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const call = { signal: AbortSignal.any([signal, deadline]) };
    const text = printable(await serverVersion(client, call), 64);
    const version = parseKubernetesVersion(text);
    const wrong = version && whyUnsupported(version);
    if (wrong)
      throw new TooOld(`Cannot print manifests for this cluster: ${wrong}; for another give --kubernetes-version`);
    const takes = await serves(client, VALIDATING_ADMISSION_POLICIES, call);
    if (!takes) {
      log.warn(
        `The API server of this cluster (${text || "of an unknown version"}) serves no admission policies (ValidatingAdmissionPolicy v1), so they are left out: ${WITHOUT_POLICIES}`,
      );
    }
    return takes;
  } catch (error) {
    if (!deadline.aborted || signal.aborted) throw error;
    const { server } = client.transport.config;
    throw new Error(`Cannot ask ${server} for its version: no answer within ${TIMEOUT_MS / 1000} s`, { cause: error });
  } finally {
    client.transport.close();
  }
}
