package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/audit"
	"gatehouse/server"
)

func auditCmd() *cobra.Command {
	return group("audit", "The record of who did what", auditListCmd(), auditVerifyCmd(), auditCheckpointCmd(), auditKeyCmd())
}

// verifying is what audit verify was asked.
type verifying struct {
	files, keys, heads []string
	asJSON             bool
}

func auditVerifyCmd() *cobra.Command {
	var v verifying
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check the chain of the audit log, and say where it was changed",
		Long: "Check the chain of the audit log, and say where it was changed.\n\n" +
			"The chain alone shows what was changed by somebody who did not link it anew. Checkpoints,\n" +
			"which were signed and kept elsewhere, show the rest: an end that was cut off, a history\n" +
			"that was written anew, another database.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error { return v.run(ctx, cmd, r) })
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&v.files, "checkpoint", nil, "file of checkpoints to compare with, may be repeated (default: AUDIT_CHECKPOINT_FILE)")
	f.StringArrayVar(&v.keys, "key", nil, "public key of before, as \"audit key\" printed it, may be repeated")
	f.StringArrayVar(&v.heads, "head", nil, "head that was noted, as NUMBER:HASH, may be repeated")
	addJSONFlag(cmd, &v.asJSON)
	return cmd
}

func (v verifying) run(ctx context.Context, cmd *cobra.Command, r *server.Rooms) error {
	against, faulty, err := v.against(cmd, r)
	if err != nil {
		return err
	}
	report, err := r.Audit.VerifyAgainst(ctx, against)
	if err != nil {
		return explain(err)
	}
	if v.asJSON {
		if err := printJSON(cmd.OutOrStdout(), reportView(report, len(against.Checkpoints))); err != nil {
			return err
		}
	} else {
		sayReport(cmd, report, against)
	}
	if !report.OK() {
		return fmt.Errorf("the audit log was changed: %d faults", report.Faults)
	}
	return faulty
}

// against reads what the chain is to be compared with. faulty is what is wrong
// with a file of checkpoints; the chain is checked all the same.
func (v verifying) against(cmd *cobra.Command, r *server.Rooms) (a audit.Against, faulty, err error) {
	keys := r.Checkpoints.Keys()
	for _, s := range v.keys {
		k, err := audit.ParsePublicKey(s)
		if err != nil {
			return a, nil, usageError{fmt.Errorf("--key: %w", err)}
		}
		keys = append(keys, k)
	}
	for _, s := range v.heads {
		c, err := parseHead(s)
		if err != nil {
			return a, nil, err
		}
		a.Checkpoints = append(a.Checkpoints, c)
	}
	files := v.files
	if len(files) == 0 && r.Config.AuditCheckpointFile != "" {
		files = []string{r.Config.AuditCheckpointFile}
	}
	for _, name := range files {
		list, bad, err := readCheckpoints(cmd, name, keys)
		if err != nil {
			return a, nil, err
		}
		a.Checkpoints, faulty = append(a.Checkpoints, list...), errors.Join(faulty, bad)
		a.Every = r.Config.AuditCheckpointEvery
	}
	return a, faulty, nil
}

// parseHead reads NUMBER:HASH.
func parseHead(s string) (c audit.Checkpoint, err error) {
	number, hash, _ := strings.Cut(s, ":")
	c.Batch, err = strconv.ParseInt(number, 10, 64)
	if err == nil {
		c.Hash, err = hex.DecodeString(hash)
	}
	if err != nil || c.Batch < 1 || len(c.Hash) != 32 {
		return c, usageError{fmt.Errorf("--head: %q is no head: want NUMBER:HASH as \"audit verify\" prints it", s)}
	}
	return c, nil
}

func readCheckpoints(cmd *cobra.Command, name string, keys []audit.PublicKey) (list []audit.Checkpoint, bad, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, fmt.Errorf("the checkpoints cannot be read: %w", err)
	}
	defer f.Close()
	list, problems, err := audit.ReadCheckpoints(f, keys)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	for _, p := range problems {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s, line %d: %v\n", name, p.Line, p.Err)
		if !p.Torn {
			bad = fmt.Errorf("%s is not what this server wrote", name)
		}
	}
	if len(list) == 0 {
		bad = fmt.Errorf("%s holds no checkpoint that can be believed", name)
	}
	return list, bad, nil
}

func sayReport(cmd *cobra.Command, report audit.Report, against audit.Against) {
	out := cmd.OutOrStdout()
	for _, f := range report.Findings {
		fmt.Fprintln(out, f)
	}
	for _, d := range report.Disputes {
		fmt.Fprintln(out, d)
	}
	if len(report.Disputes) > 0 {
		for _, at := range report.Restored {
			fmt.Fprintf(out, "Note: batch %d says that the database was put back to an earlier state at %s UTC. Checkpoints from between the backup and then fit nothing that came after.\n",
				at.Batch, at.At.UTC().Format(time.DateTime))
		}
	}
	fmt.Fprintf(out, "%d events in %d batches, %d not linked yet; compared with %d checkpoints. Head: %d:%x\n",
		report.Events, report.Batches, report.Unsealed, len(against.Checkpoints), report.Head, report.HeadHash)
}

type shownReport struct {
	OK          bool           `json:"ok"`
	Events      int64          `json:"events"`
	Batches     int64          `json:"batches"`
	Erased      int64          `json:"erased"`
	Unsealed    int64          `json:"unsealed"`
	Head        int64          `json:"head"`
	HeadHash    string         `json:"head_hash"`
	Checkpoints int            `json:"checkpoints"`
	Faults      int64          `json:"faults"`
	Findings    []shownFinding `json:"findings"`
}

// shownFinding is a fault of a row, of a batch, or of a checkpoint.
type shownFinding struct {
	Fault      audit.Fault `json:"fault"`
	Batch      int64       `json:"batch"`
	Event      string      `json:"event,omitempty"`
	Place      int         `json:"place,omitempty"`
	Checkpoint string      `json:"checkpoint,omitempty"`
	Text       string      `json:"text"`
}

func reportView(r audit.Report, checkpoints int) shownReport {
	v := shownReport{
		OK: r.OK(), Events: r.Events, Batches: r.Batches, Erased: r.Erased, Unsealed: r.Unsealed,
		Head: r.Head, HeadHash: hex.EncodeToString(r.HeadHash), Checkpoints: checkpoints, Faults: r.Faults, Findings: []shownFinding{},
	}
	for _, f := range r.Findings {
		shown := shownFinding{Fault: f.Fault, Batch: f.Batch, Place: f.Place, Text: f.String()}
		if !f.Event.IsZero() {
			shown.Event = f.Event.String()
		}
		v.Findings = append(v.Findings, shown)
	}
	for _, d := range r.Disputes {
		shown := shownFinding{Fault: d.Fault, Batch: d.Checkpoint.Batch, Text: d.String()}
		if !d.Checkpoint.At.IsZero() {
			shown.Checkpoint = d.Checkpoint.At.UTC().Format(time.RFC3339)
		}
		v.Findings = append(v.Findings, shown)
	}
	return v
}

func auditCheckpointCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "checkpoint",
		Short: "Sign where the audit log is now and print it, to be kept elsewhere",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error {
				note, err := r.Checkpoints.Make(ctx)
				if err != nil {
					return explain(err)
				}
				if note == "" {
					return errors.New("the audit log is empty: there is nothing to sign")
				}
				fmt.Fprintln(cmd.OutOrStdout(), note)
				return nil
			})
		},
	}
}

func auditKeyCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "key",
		Short: "Print the public key of checkpoints, by which others can check them",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRooms(cmd, func(_ context.Context, r *server.Rooms) error {
				for _, k := range r.Checkpoints.Keys() {
					fmt.Fprintln(cmd.OutOrStdout(), k)
				}
				return nil
			})
		},
	}
}
