/*---
id: pod-security-baseline-broken
title: A workload breaks the Pod Security baseline
techniques: [D11]
status: stable
severity: medium
confidence: high
attack: [T1611]
threat_matrix: [MS-TA9018]
layer: container
control: prevention
practice: pod-security
needs: {level: Request, verbs: [create, update, patch], resources: [pods, deployments, daemonsets, statefulsets, jobs, cronjobs, replicasets]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  safe_sysctls:
    default: [kernel.shm_rmid_forced, net.ipv4.ip_local_port_range, net.ipv4.ip_unprivileged_port_start, net.ipv4.tcp_syncookies, net.ipv4.ping_group_range, net.ipv4.ip_local_reserved_ports, net.ipv4.tcp_keepalive_time, net.ipv4.tcp_fin_timeout, net.ipv4.tcp_keepalive_intvl, net.ipv4.tcp_keepalive_probes, net.ipv4.tcp_rmem, net.ipv4.tcp_wmem]
    why: Sysctls that the baseline of Pod Security allows.
why: >-
  The baseline standard forbids what undoes the isolation of a container. Unconfined profiles, an unmasked
  /proc, unsafe sysctls and SELinux settings of one's own are rarely needed and rarely looked at.
blind_spots: >-
  Pods that never pass the kube-apiserver's audit log (static pods), and what an admission webhook adds where
  the level hides the stored object.
false_positives: >-
  Network, storage and monitoring agents, and tools that debug nodes. Find the person who installed them and the
  change that asked for it.
triage:
  - Who wrote it, and was it agreed on?
  - What else did this identity write, and did a pod of it run (timeline of the namespace)?
  - Delete the workload; treat its node as taken until shown otherwise.
---*/
WITH broken AS (
    SELECT *, concat_ws(', ',
        CASE WHEN seccomp = 'Unconfined' THEN 'seccomp unconfined' END,
        CASE WHEN apparmor = 'Unconfined' THEN 'AppArmor unconfined' END,
        CASE WHEN proc_mount = 'Unmasked' THEN 'an unmasked /proc' END,
        CASE WHEN json_extract_string(selinux, '$.user') IS NOT NULL OR json_extract_string(selinux, '$.role') IS NOT NULL
                  OR coalesce(json_extract_string(selinux, '$.type'), 'container_t') NOT IN ('container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t') THEN 'SELinux settings of its own' END,
        CASE WHEN len(host_ports) > 0 THEN 'host ports ' || array_to_string(host_ports, ', ') END) AS what
    FROM workload_containers
    WHERE seccomp = 'Unconfined' OR apparmor = 'Unconfined' OR proc_mount = 'Unmasked' OR selinux IS NOT NULL OR len(host_ports) > 0
),
pods AS (
    SELECT *, concat_ws(', ',
        CASE WHEN json_extract_string(pod_spec, '$.securityContext.sysctls[0].name') IS NOT NULL
                  AND len(list_filter(json_extract_string(pod_spec, '$.securityContext.sysctls[*].name'), lambda name: NOT list_contains($safe_sysctls, name))) > 0 THEN 'unsafe sysctls' END,
        CASE WHEN json_extract(pod_spec, '$.volumes[*].gitRepo')[1] IS NOT NULL THEN 'a gitRepo volume' END,
        CASE WHEN json_extract(pod_spec, '$.volumes[*].flexVolume')[1] IS NOT NULL THEN 'a flexVolume' END) AS what
    FROM workloads
    WHERE contains(pod_spec, '"sysctls"') OR contains(pod_spec, '"gitRepo"') OR contains(pod_spec, '"flexVolume"')
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied OR NOT authored OR what LIKE 'host ports%' THEN 'low' END AS severity,
       who || ' wrote ' || workload || ' with ' || what || ' for the ' || container_kind || ' ' || container_name || outcome_words AS detail
FROM broken WHERE what <> ''
UNION ALL
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied OR NOT authored THEN 'low' END AS severity,
       who || ' wrote ' || workload || ' with ' || what || outcome_words AS detail
FROM pods WHERE what <> ''
