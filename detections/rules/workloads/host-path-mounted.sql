/*---
id: host-path-mounted
title: A workload mounts a sensitive directory of its node
techniques: [D02]
status: stable
severity: high
confidence: high
attack: [T1611]
threat_matrix: [MS-TA9013]
layer: container
control: prevention
practice: pod-security
needs: {level: Request, verbs: [create, update, patch], resources: [pods, deployments, daemonsets, statefulsets, jobs, cronjobs, replicasets]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  With the node's files a container reads the kubelet's credentials and other pods' tokens, drives the container
  runtime by its socket, or writes itself into the node's start-up.
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
WITH weighed AS (
    SELECT *,
           -- A directory counts with what lies below it: /var holds the kubelet's files.
           coalesce(value IN ('/', '/var', '/var/lib', '/var/run', '/run', '/home', '/usr', '/usr/lib', '/usr/bin', '/usr/sbin', '/usr/local', '/usr/local/bin',
                              '/opt', '/opt/cni', '/lib', '/lib64', '/bin', '/sbin', '/etc', '/dev', '/sys', '/boot')
                    OR regexp_matches(value, '^/(root|proc)(/|$)|^/etc/(kubernetes|cni|ssh|shadow|passwd|sudoers|cron|systemd|ld\.so|rancher|containerd|docker|init\.d|profile|pam\.d)'
                        || '|^/var/lib/(kubelet|etcd|docker|containerd|containers|rancher|k0s|cloud|cni|kube)|^/home/[^/]+(/\.ssh)?(/|$)|^/(var/)?run/(containerd|crio|docker|k3s|k0s|dockershim|podman|systemd|dbus)'
                        || '|^/opt/cni/bin|^/(usr/)?lib/systemd|^/var/spool/cron|^/sys/(kernel|fs/bpf|module|firmware)|^/dev/(mem|kmem|sd|nvme|vd|xvd|dm-|mapper|disk)|\.sock$|\.\.'), false)
           OR regexp_matches(value, '^/?[A-Za-z]:') AS takes_node
    FROM pod_risks
    WHERE risk = 'host_path'
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied OR NOT authored THEN 'low'
            -- Nobody takes a node by reading, but its credentials; a socket is for writing however it is mounted.
            WHEN read_only AND resource = 'daemonsets' AND NOT ends_with(value, '.sock') THEN 'low'
            WHEN NOT takes_node OR read_only AND NOT ends_with(value, '.sock') THEN 'medium' END AS severity,
       who || ' wrote ' || workload || ' with ' || value || ' of its node' || CASE WHEN read_only THEN ', read-only' ELSE '' END || outcome_words AS detail
FROM weighed
WHERE takes_node OR value = '/tmp'
   OR regexp_matches(value, '^/(etc|sys|boot|dev|run|var|home)(/|$)')
      AND NOT regexp_matches(value, '^/var/lib/[a-z0-9.-]+/(data|cache)(/|$)|^/dev/(shm|hugepages|dri|fuse|net)(/|$)|^/etc/(localtime|machine-id|os-release|hostname|ssl/certs|ca-certificates|pki/ca-trust)(/|$)')
