-- Empty the trees and all that they found.
TRUNCATE roomlog_audit.trees, roomlog_audit.leaf_runs, roomlog_audit.tree_nodes,
    roomlog_audit.redactions, roomlog_audit.findings;
