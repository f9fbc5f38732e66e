import { startControlPlane, startKmm, startKwok } from "../internal/testcluster/index.ts";
import { advertiseDevices } from "../internal/testcluster/kwok-devices.ts";
import { freePorts } from "../internal/testcluster/lib/ports.ts";
import { output, run } from "../internal/testcluster/lib/command.ts";
import { poll } from "../internal/testcluster/lib/poll.ts";
import { progress } from "../internal/testcluster/lib/progress.ts";
import type { Shown } from "./demo-real.ts";
import { Watcher } from "./demo-watch.ts";

/**
 * Shows the operator with fake nodes (kwok), on which no container can run. The operator is a process beside the real
 * control plane. Simulated kubelets offer the devices of plugin pods that only appear to run.
 */
export async function showOnFakeNodes(executable: string, signal: AbortSignal): Promise<Shown> {
  const plane = await startControlPlane({ signal });
  const ended = new AbortController();
  let advertising: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    ended.abort();
    await advertising;
    await plane.stop();
  };
  try {
    progress("Starting KMM 1.1.0 and three fake nodes");
    await startKmm(plane, signal);
    const kwok = await startKwok(plane);
    await kwok.createNodes(3, { labels: { "node-role.kubernetes.io/worker": "" } });
    console.log(await plane.kubectl(["get", "nodes"]));
    const selector = "app.kubernetes.io/component=device-plugin";
    advertising = advertiseDevices(plane, {
      selector,
      resource: "amd.com/onload",
      count: 100,
      signal: AbortSignal.any([signal, ended.signal]),
    });

    const image = "registry.example.com/onloadctl:latest";
    progress(
      `onloadctl manifests install --image=${image} | kubectl apply --server-side -f -, and the operator as a process`,
    );
    const install = [executable, "manifests", "install", `--image=${image}`, `--kubeconfig=${plane.kubeconfigPath}`];
    await plane.apply(await output(install));
    const [metrics = 0, health = 0] = await freePorts(2);
    const operator = plane.state.start(
      "operator",
      [
        executable,
        "operator",
        `--kubeconfig=${await plane.serviceAccountKubeconfig("onload-operator-system", "onload-operator-controller-manager")}`,
        `--metrics-bind-address=127.0.0.1:${metrics}`,
        `--health-probe-bind-address=127.0.0.1:${health}`,
      ],
      { env: { DEVICE_PLUGIN_IMG: image } },
    );
    await poll(async () => !operator.alive() || (await fetch(`http://127.0.0.1:${health}/readyz`)).ok, {
      what: "Readiness of the operator",
      signal,
    });
    if (!operator.alive()) throw new Error(`the operator exited: ${operator.logTail()}`);

    for (const sample of ["namespace", "onload"]) {
      progress(`onloadctl manifests sample ${sample} | kubectl apply --server-side -f -`);
      await plane.apply(await output([executable, "manifests", "sample", sample]));
    }
    await new Watcher(plane).untilReady(signal);
    console.log(await plane.kubectl(["get", "onload", "-A"]));
    const env = { KUBECONFIG: plane.kubeconfigPath };
    for (const args of [["status"], ["plan", "--delete"]]) {
      console.log(`\n$ onloadctl ${args.join(" ")}`);
      console.log((await run([executable, ...args], { env, allowFailure: true })).stdout);
    }
    console.log(await plane.kubectl(["get", "nodes", "-L", "onload.amd.com/onload-runtime.onload"]));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    kubeconfigPath: plane.kubeconfigPath,
    commands: [
      "onloadctl status --watch",
      "kubectl get onload -n onload-runtime onload -o wide",
      "kubectl get modules,daemonsets,pods -n onload-runtime",
      "kubectl events -n onload-runtime",
    ],
    leftOut: "the operator's own pod and the application's, which need a real node",
    stop,
  };
}
