/**
 * Real Kubernetes clusters for tests, the demo and benchmarks.
 *
 * A test that needs an API server (foo.cluster.test.ts) uses the one that all files share:
 *
 *   import { sharedControlPlane } from "../../scripts/cluster/index.ts";
 *
 *   const cluster = await sharedControlPlane();            // real etcd, API server, controllers, scheduler; KMM's CRDs
 *   const namespace = await cluster.createNamespace();     // tests keep apart by namespaces and unique node names
 *   await cluster.apply(yaml);                             // server-side apply by kubectl
 *   const node = await cluster.request("POST", "/api/v1/nodes", { body: { metadata: { name } } });
 *   await cluster.request("PATCH", path, { body, contentType: "merge" });
 *   const user = await cluster.addUser("reader");          // client certificate; user.kubeconfigPath, certPath, keyPath
 *   cluster.auditEvents("reader");                         // every request that this user has made
 *   cluster.server; cluster.caPath; cluster.kubeconfigPath;  // the administrator's
 *
 * `bun test FILE` alone starts one for itself, which goes away with it. To run files again and again, start one in
 * another terminal and name it: `bun scripts/cluster/up.ts` prints the line to export.
 *
 * A test that disturbs the control plane starts its own (about 4 s):
 *
 *   await using plane = await startControlPlane();
 *   await plane.killApiServer(); await plane.restartApiServer(); await plane.compactEtcd();
 *   await startKmm(plane);                                 // KMM 1.1.0's manager and CRDs
 *   const kwok = await startKwok(plane);                   // fake nodes and pods that become Ready and Running
 *   await kwok.createNodes(100, { labels }); await kwok.createPods(2000, { namespace, nodes });
 *
 * Everything started is stopped when the process ends, however it ends.
 */
export type { AuditEvent, ClusterUser } from "./cluster.ts";
export { Cluster } from "./cluster.ts";
export { RequestError } from "./client.ts";
export type { ControlPlaneOptions } from "./control-plane.ts";
export { ControlPlane, startControlPlane } from "./control-plane.ts";
export { installCrds } from "./crds.ts";
export { startKmm } from "./kmm.ts";
export type { FakeNodeOptions, FakePodOptions, Kwok } from "./kwok.ts";
export { startKwok } from "./kwok.ts";
export { sharedControlPlane } from "./shared.ts";
