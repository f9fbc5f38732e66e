import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Runs work while holding a lock that other processes respect too. The lock is the kernel's (flock), and a small process
 * holds it. That process ends as soon as its pipe to this process is closed, so a killed process leaves no lock behind.
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(path), { recursive: true });
  const holder = spawn("flock", [path, "sh", "-c", "echo locked; read -r _"], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once("data", () => resolve());
      holder.once("error", (cause) =>
        reject(new Error("Cannot take a lock: flock is missing; install util-linux", { cause })),
      );
      holder.once("exit", (code) => reject(new Error(`Cannot lock ${path}: flock exited with code ${code}`)));
    });
    return await work();
  } finally {
    holder.stdin.on("error", () => {});
    holder.stdin.end();
  }
}
