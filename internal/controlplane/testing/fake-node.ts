import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ControlPlaneConfig } from "../control-plane.ts";

/** The container that the tests run in, and another one. */
export const ID = "4f5c2b7be5b43cbf8d4c8f7f2a1f7c0e0f1d2c3b4a5968778695a4b3c2d1e0f9";
export const OTHER = "a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4";

/**
 * A node and a container on it, in a temporary folder. Its programs are shell scripts that behave as crictl 1.34 does,
 * with its words. They are started below that folder instead of by a chroot, which needs privileges.
 */
export class FakeNode {
  readonly root = mkdtempSync(join(tmpdir(), "onload-cp-"));
  readonly #servers: Server[] = [];

  constructor() {
    for (const path of ["host/sys/module", "host/dev", "dev", "proc/self", "node"]) {
      mkdirSync(join(this.root, path), { recursive: true });
    }
    this.write("proc/self/cgroup", `0::/kubepods/pod1/${ID}\n`);
    this.write("dev/termination-log", "");
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), text);
  }

  /** What is at a path, without spaces around it. */
  read(path: string): string {
    return readFileSync(join(this.root, path), "utf8").trim();
  }

  remove(path: string): void {
    rmSync(join(this.root, path), { recursive: true, force: true });
  }

  /** Puts a program on the node. */
  addProgram(path: string, script: string): void {
    this.write(`node${path}`, `#!/bin/sh\n${script}`);
    chmodSync(join(this.root, `node${path}`), 0o755);
  }

  addLink(path: string, target: string): void {
    mkdirSync(dirname(join(this.root, `node${path}`)), { recursive: true });
    symlinkSync(target, join(this.root, `node${path}`));
  }

  /** Puts a crictl on the node, which knows no endpoint unless it is told one. */
  addCrictl(path = "/usr/bin/crictl"): void {
    this.addProgram(
      path,
      `
      node=${join(this.root, "node")}
      [ "\${0##*/}" = crictl ] || { echo "k3s: not called as crictl"; exit 64; }
      echo "\${0#"$node"} $*" >>${join(this.root, "tried")}
      # A shell sets these three itself.
      [ -z "$(env | grep -v '^\\(PWD\\|SHLVL\\|_\\)=')" ] || { echo "the environment is not empty"; exit 64; }
      runtime=$(cat $node/etc/crictl.endpoint 2>/dev/null)
      images=$(cat $node/etc/crictl.image-endpoint 2>/dev/null)
      while :; do
        case $1 in
          --runtime-endpoint=*) runtime=\${1#*=} ;;
          --image-endpoint=*) images=\${1#*=} ;;
          *) break ;;
        esac
        shift
      done
      for endpoint in "\${runtime:-unix:///var/run/cri-dockerd.sock}" "\${images:-$runtime}"; do
        socket=\${endpoint#unix://}
        [ -S "$node$socket" ] || {
          echo "time=\\"2026-11-28T16:41:58Z\\" level=fatal msg=\\"validate service connection: validate CRI v1 runtime API for endpoint \\\\\\"$endpoint\\\\\\": rpc error: code = Unavailable desc = connection error: desc = \\\\\\"transport: Error while dialing: dial unix $socket: connect: no such file or directory\\\\\\"\\"" >&2
          exit 1
        }
      done
      [ "$1 $2" = "exec ${ID}" ] || { echo "level=fatal msg=\\"container \\\\\\"$2\\\\\\": not found\\"" >&2; exit 1; }
      [ "$3 $4" = "/opt/onload/sbin/onload_cp_server --version" ] || { echo "exit status 127" >&2; exit 1; }
      echo "onload_cp_server[7]: Version: 9.2.0" >&2`,
    );
  }

  /** The commands of crictl that were tried, each with its path on the node. */
  get tried(): string[] {
    return this.read("tried").split("\n");
  }

  /** Has a container runtime listen on the node. */
  async addRuntime(socket = "/run/containerd/containerd.sock"): Promise<void> {
    mkdirSync(dirname(join(this.root, `node${socket}`)), { recursive: true });
    const server = createServer();
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(join(this.root, `node${socket}`), resolve);
    });
  }

  config(changes: Partial<ControlPlaneConfig> = {}): ControlPlaneConfig {
    return {
      serverPath: "/opt/onload/sbin/onload_cp_server",
      parameters: " -K ",
      containerId: undefined,
      crictlPath: undefined,
      runtimeEndpoint: undefined,
      hostRoot: join(this.root, "host"),
      kernelRoot: join(this.root, "node"),
      runOnNode: ["/bin/sh", "-c", 'root=$1; shift; exec "$root$@"', "sh"],
      procDir: join(this.root, "proc"),
      patienceMs: 0,
      devDir: join(this.root, "dev"),
      intervalMs: 5,
      ...changes,
    };
  }

  async dispose(): Promise<void> {
    for (const server of this.#servers) await new Promise((resolve) => server.close(resolve));
    rmSync(this.root, { recursive: true });
  }
}
