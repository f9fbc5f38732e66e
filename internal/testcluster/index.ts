/**
 * Real Kubernetes clusters for tests, the demo and benchmarks.
 *
 * A test that needs an API server (foo.cluster.test.ts) uses the one that all files share:
 *
 *   import { sharedControlPlane } from "./index.ts";
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
 * Get it in beforeAll with a limit of 120_000: `bun test FILE` alone starts one for itself, which goes away with it.
 * To run files again and again, start one in another terminal and name it: `bun internal/testcluster/up.ts` prints the line
 * to export.
 *
 * A test that disturbs the control plane starts its own (about 4 s):
 *
 *   await using plane = await startControlPlane();
 *   await plane.killApiServer(); await plane.restartApiServer(); await plane.compactEtcd();
 *   await startKmm(plane);                                 // KMM 1.1.0's manager and CRDs
 *   const kwok = await startKwok(plane);                   // fake nodes and pods that become Ready and Running
 *   await kwok.createNodes(100, { labels }); await kwok.createPods(2000, { namespace, nodes });
 *
 * A test that needs a real node (foo.node.test.ts, root on Linux) uses the one that all its files share:
 *
 *   const { plane, node, images } = await sharedNodeCluster();   // KMM 1.1.0 runs too; about 25 s the first time
 *   const reference = await images.onloadctl(await builtExecutable());   // buildah; the node pulls the reference
 *   await images.onloadModule("8.1.0"); await images.onloadUser("8.1.0"); await images.app();
 *   await node.exec(["crictl", "ps"]); await node.restartKubelet(); await node.stopKubelet("KILL");
 *   await node.removeDevices(); await node.addDevices(); await node.moduleJournal();
 *
 * or one of its own with startNodeCluster. The stand-ins for hardware are modprobe, the device files, a NIC in sysfs and
 * Onload's files; see images/ and node/stand-ins.ts.
 *
 * Everything started is stopped when the process ends, however it ends.
 */
export type { AuditEvent } from "./audit-log.ts";
export type { ClusterUser } from "./cluster.ts";
export { Cluster } from "./cluster.ts";
export { serviceAccountUser } from "./rbac.ts";
export { RequestError } from "./client.ts";
export type { ControlPlaneOptions } from "./control-plane.ts";
export { ControlPlane, startControlPlane } from "./control-plane.ts";
export { installCrds } from "./crds.ts";
export { createKmmAccount, startKmm } from "./kmm.ts";
export type { FakeNodeOptions, FakePodOptions, Kwok } from "./kwok.ts";
export { startKwok } from "./kwok.ts";
export type { NodeCluster, NodeClusterOptions } from "./node/index.ts";
export { startNodeCluster, whyNoNode } from "./node/index.ts";
export { TestNode } from "./node/test-node.ts";
export { sharedControlPlane, sharedNodeCluster } from "./shared.ts";
export { ImageBuilder } from "./images.ts";
