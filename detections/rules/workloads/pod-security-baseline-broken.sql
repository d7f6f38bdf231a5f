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
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied OR NOT authored OR risk IN ('host_port', 'host_address') THEN 'low' END AS severity,
       who || ' wrote ' || workload || ' with ' || CASE risk
               WHEN 'seccomp' THEN 'seccomp unconfined' WHEN 'apparmor' THEN 'AppArmor unconfined' WHEN 'proc_mount' THEN 'procMount ' || value
               WHEN 'selinux' THEN 'SELinux settings of its own' WHEN 'host_port' THEN 'the host port ' || value
               WHEN 'host_address' THEN 'a probe or hook to ' || value WHEN 'sysctl' THEN 'the sysctl ' || value ELSE 'a volume of type ' || value END
           || coalesce(' for the ' || container, '') || outcome_words AS detail
FROM pod_risks
WHERE risk IN ('seccomp', 'apparmor', 'proc_mount', 'selinux', 'host_port', 'host_address', 'volume_type')
   OR risk = 'sysctl' AND NOT list_contains($safe_sysctls, value)
