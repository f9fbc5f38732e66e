/** Starts a control plane for test files to share and prints the line that names it; ends with Ctrl-C. */
import { progress } from "./lib/progress.ts";
import { sharedClusterVariable, startShared } from "./shared.ts";

const plane = await startShared();
console.log(`export ${sharedClusterVariable}=${plane.folder} KUBECONFIG=${plane.kubeconfigPath}`);
progress("The control plane is ready; stop it with Ctrl-C");
await new Promise<void>((resolve) => {
  // A promise alone does not keep the process running.
  const idle = setInterval(() => {}, 1 << 30);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      clearInterval(idle);
      resolve();
    });
  }
});
await plane.stop();
