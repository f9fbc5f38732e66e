/**
 * KMM 2's own manager, in place of the model. The proxy of Go modules has no version of it, so that it comes from a checkout
 * of its repository, such as that of v2.6.0, in which `make manager` was run.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { ControlPlane } from "../../../testcluster/index.ts";
import { createKmmAccount } from "../../../testcluster/index.ts";
import { poll } from "../../../testcluster/lib/poll.ts";
import { freePorts } from "../../../testcluster/lib/ports.ts";
import type { RunningProcess } from "../../../testcluster/lib/run-state.ts";

/** Name of the ServiceAccount in KMM 2's own manifests. */
const ACCOUNT = "kmm-operator-controller";
const NAMESPACE = "kmm-operator-system";
const CONFIG = "kmm-operator-manager-config";

export class Kmm2Manager implements AsyncDisposable {
  readonly #process: RunningProcess;

  private constructor(running: RunningProcess) {
    this.#process = running;
  }

  /**
   * Installs its CRDs, and runs it with the role of its own manifests until it is disposed of.
   *
   * @param source folder of the checkout
   */
  static async start(plane: ControlPlane, source: string): Promise<Kmm2Manager> {
    const crds = join(source, "config/crd/bases");
    await plane.apply(
      readdirSync(crds)
        .map((file) => readFileSync(join(crds, file), "utf8"))
        .join("\n---\n"),
    );
    const kubeconfig = await createAccount(plane, source);
    const [health = 0, webhook = 0] = await freePorts(2);
    const config = {
      healthProbeBindAddress: `127.0.0.1:${health}`,
      webhookPort: webhook,
      leaderElection: { enabled: false, resourceID: "kmm.sigs.x-k8s.io" },
      metrics: { bindAddress: "0", enableAuthnAuthz: false, secureServing: false },
    };
    const map = { metadata: { name: CONFIG }, data: { "controller_config.yaml": JSON.stringify(config) } };
    await plane.request("POST", `/api/v1/namespaces/${NAMESPACE}/configmaps`, { body: map });
    const running = plane.state.start("kmm2-manager", [join(source, "manager"), `--config=${CONFIG}`], {
      env: {
        KUBECONFIG: kubeconfig,
        OPERATOR_NAMESPACE: NAMESPACE,
        RELATED_IMAGE_WORKER: "registry/kmm-worker:2",
        RELATED_IMAGE_BUILD: "invalid.example/build:none",
        RELATED_IMAGE_SIGN: "invalid.example/sign:none",
      },
    });
    await poll(async () => !running.alive() || (await fetch(`http://127.0.0.1:${health}/readyz`)).ok, {
      what: "Readiness of KMM 2's manager",
    });
    if (!running.alive()) throw new Error(`Cannot start KMM 2's manager: it exited: ${running.logTail()}`);
    return new Kmm2Manager(running);
  }

  /** Does nothing until {@link resume}. */
  pause(): void {
    this.#process.signal("SIGSTOP");
  }

  resume(): void {
    this.#process.signal("SIGCONT");
  }

  /** @throws Error if a policy or its role has refused anything that it wanted to do */
  async [Symbol.asyncDispose](): Promise<void> {
    this.resume();
    await this.#process.stop();
    const log = readFileSync(this.#process.logPath, "utf8").split("\n");
    const refused = log.filter((line) => /ValidatingAdmissionPolicy|cannot \w+ resource/.test(line));
    if (refused.length > 0) throw new Error(`KMM 2 was refused ${refused.length} requests, such as: ${refused[0]}`);
  }
}

async function createAccount(plane: ControlPlane, source: string): Promise<string> {
  const rulesOf = (file: string): unknown[] =>
    (parse(readFileSync(join(source, "config", file), "utf8")) as { rules: unknown[] }).rules;
  // The API server enforces permissions of owner references, as OpenShift's does, for which that role is too small.
  const resources = ["modules", "nodemodulesconfigs", "moduleimagesconfigs"].map((name) => `${name}/finalizers`);
  const owns = { apiGroups: ["kmm.sigs.x-k8s.io"], resources, verbs: ["update"] };
  const rules = [...rulesOf("rbac/role.yaml"), ...rulesOf("rbac-base/event_recorder_clusterrole.yaml"), owns];
  return await createKmmAccount(plane, ACCOUNT, rules);
}
