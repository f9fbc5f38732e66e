import { expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { checkout } from "../testcluster/lib/paths.ts";
import { deployAdvice, isRightMissing, missingRights, rightsAdvice } from "./rights-advice.ts";

interface ClusterRole {
  metadata: { name: string };
  rules: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
}

const roles = parseAllDocuments(await readFile(join(checkout, "internal/manifests/rbac/user-roles.yaml"), "utf8")).map(
  (document) => document.toJS() as ClusterRole,
);

/** As Kubernetes words it. */
function refusal(verb: string, resource: string, group: string, user = "jane", where = "at the cluster scope"): string {
  return `${resource} is forbidden: User "${user}" cannot ${verb} resource "${resource}" in API group "${group}" ${where}`;
}

test("every right that one of our roles has leads to a role that has it", () => {
  let tried = 0;
  for (const { rules } of roles) {
    for (const { apiGroups, resources, verbs } of rules) {
      for (const group of apiGroups)
        for (const resource of resources) for (const verb of verbs) check(group, resource, verb);
    }
  }
  expect(tried).toBeGreaterThan(40);

  function check(group: string, resource: string, verb: string): void {
    tried++;
    const advice = rightsAdvice(refusal(verb, resource, group)) ?? "";
    const [, name] = /--clusterrole=(\S+) --user=jane$/.exec(advice) ?? [];
    const has = name !== undefined && hasRight(name, verb, resource, group);
    expect(`${verb} ${resource}.${group}: ${has}`).toBe(`${verb} ${resource}.${group}: true`);
  }
});

test("no advice leads to a role that lacks the right", () => {
  const wrong: string[] = [];
  for (const { apiGroups, resources } of roles.flatMap(({ rules }) => rules)) {
    for (const group of apiGroups) {
      for (const resource of resources) {
        for (const verb of ["get", "list", "watch", "create", "update", "patch", "delete", "deploy"]) {
          const [, name] = /--clusterrole=(\S+) /.exec(rightsAdvice(refusal(verb, resource, group)) ?? "") ?? [];
          if (name !== undefined && !hasRight(name, verb, resource, group)) wrong.push(`${name}: ${verb} ${resource}`);
        }
      }
    }
  }
  expect(wrong).toEqual([]);
});

function hasRight(role: string, verb: string, resource: string, group: string): boolean {
  const { rules = [] } = roles.find(({ metadata }) => metadata.name === role) ?? {};
  return rules.some(
    (rule) => rule.apiGroups.includes(group) && rule.resources.includes(resource) && rule.verbs.includes(verb),
  );
}

test("a namespace that a shell would take apart is no part of a command either", () => {
  expect(rightsAdvice(refusal("get", "pods/proxy", "", "jane", 'in the namespace "$(reboot)"'))).toBeUndefined();
});

test.each<[string, string, string | undefined]>([
  [
    "to look",
    refusal("list", "nodes", ""),
    "kubectl create clusterrolebinding onload-viewer --clusterrole=onload-operator-onload-viewer-role --user=jane",
  ],
  [
    "to look, as a ServiceAccount",
    refusal("list", "onloads", "onload.amd.com", "system:serviceaccount:ci:robot", 'in the namespace "trading"'),
    "kubectl create clusterrolebinding onload-viewer --clusterrole=onload-operator-onload-viewer-role --serviceaccount=ci:robot",
  ],
  [
    "to deploy",
    refusal("patch", "onloads", "onload.amd.com", "jane", 'in the namespace "trading"'),
    "kubectl create clusterrolebinding onload-deployer --clusterrole=onload-operator-onload-deployer-role --user=jane",
  ],
  [
    "to ask a plugin",
    refusal("get", "pods/proxy", "", "jane", 'in the namespace "trading"'),
    "kubectl create rolebinding onload-doctor -n trading --clusterrole=onload-operator-onload-doctor-role --user=jane",
  ],
  ["of others", refusal("get", "secrets", ""), undefined],
  ["to write what is not ours", refusal("delete", "deployments", "apps"), undefined],
  ["by a policy", "jane may not create, change or delete Onload resources, because", undefined],
])("a right %s", (_what, message, command) => {
  const expected = command === undefined ? undefined : `an administrator can give you that right: ${command}`;
  expect(rightsAdvice(message)).toBe(expected);
  expect(isRightMissing(message)).toBe(!message.includes("may not create"));
});

test("a name is no part of a command that a shell would take apart", () => {
  expect(rightsAdvice(refusal("list", "nodes", "", "$(reboot)"))).toEndWith("--user=YOU");
});

test("rights of one role that somebody lacks are one sentence, with one command", () => {
  const refused = (verb: string, resource: string, group: string): string =>
    `Cannot ${verb} ${resource}: ${refusal(verb, resource, group)}`;
  expect(
    missingRights([
      refused("list", "nodes", ""),
      "Cannot list pods: HTTP status 500",
      refused("list", "deployments", "apps"),
      refused("list", "nodes", ""),
      refused("list", "secrets", ""),
      refused("patch", "onloads", "onload.amd.com"),
    ]),
  ).toEqual([
    "jane may not list nodes, deployments.apps; an administrator can give these rights: kubectl create clusterrolebinding onload-viewer --clusterrole=onload-operator-onload-viewer-role --user=jane",
    "Cannot list pods: HTTP status 500",
    refused("list", "secrets", ""),
    "jane may not patch onloads.onload.amd.com; an administrator can give these rights: kubectl create clusterrolebinding onload-deployer --clusterrole=onload-operator-onload-deployer-role --user=jane",
  ]);
});

test("who is to change a resource needs one role, whatever is missing first", () => {
  expect(deployAdvice(refusal("get", "onloads", "onload.amd.com"))).toBe(
    "an administrator can give you the rights to deploy: kubectl create clusterrolebinding onload-deployer --clusterrole=onload-operator-onload-deployer-role --user=jane",
  );
  expect(deployAdvice("jane may not create, change or delete Onload resources, because")).toBeUndefined();
});
