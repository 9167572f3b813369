package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/migrate"

	"github.com/coingraph/coingraph/migrations"
)

// ddl is what the migrations' templates are rendered with.
type ddl struct {
	Postgres                    bool
	Text, Float, Time, Bytes    string // types
	SmallInt, Int, BigInt       string
	SmallIntID, IntID, BigIntID string // types of primary keys that count up by themselves
	Keyed, Plain                string // options of tables: those read by their key, and others
	instant                     string // an expression that makes a timestamp of Unix ms
	named                       func(string) string
}

// Table is the name of a table or view.
func (d ddl) Table(name string) string { return d.named(name) }

// Instant shows a column of Unix ms as a timestamp.
func (d ddl) Instant(column string) string { return fmt.Sprintf(d.instant, column) }

// Migration is one step of the schema.
type Migration struct {
	Name      string    // "0001_init"
	AppliedAt time.Time // zero: not applied yet
	Unknown   bool      // applied by a newer version of the program than this one, which has no file of it
}

// Migrations are the steps of the schema, ascending.
func (s *Store) Migrations(ctx context.Context) ([]Migration, error) {
	steps, err := s.migrationList(ctx)
	return steps, s.fault(ctx, "list migrations", err)
}

// Migrate brings the schema up to date. Any number of processes may do so at once: one applies a step while the others
// wait. A step and its entry in the list of steps are one transaction, so a process that dies leaves nothing behind, no
// lock either. A schema that is newer than the program is left alone and served: migrations only add (see package
// migrations).
func (s *Store) Migrate(ctx context.Context) error {
	return s.fault(ctx, "migrate", s.migrate(ctx))
}

// errApplied stops a migration that another process has just applied.
var errApplied = errors.New("already applied")

func (s *Store) migrate(ctx context.Context) error {
	m, _, err := s.migrator()
	if err != nil {
		return err
	}
	// A role that may not create schemas can still start on a database that another one has migrated.
	if begun, err := s.exists(ctx, "ops.migrations"); err != nil {
		return err
	} else if !begun {
		if err := s.write(ctx, s.createMigrationTable); err != nil {
			return err
		}
	}
	for {
		group, err := m.Migrate(ctx)
		if errors.Is(err, errApplied) {
			continue
		}
		if err != nil {
			return err
		}
		for _, step := range group.Migrations {
			s.log.LogAttrs(ctx, slog.LevelInfo, "migration applied", slog.String("event", "migrate"), slog.String("migration", step.String()), slog.String("database", s.name()))
		}
		break
	}
	steps, err := s.migrationList(ctx)
	if err != nil {
		return err
	}
	for _, step := range steps {
		if step.Unknown {
			s.log.LogAttrs(ctx, slog.LevelWarn, "the database is newer than this program", slog.String("event", "migrate"), slog.String("migration", step.Name))
		}
	}
	return nil
}

// migrator is Bun's, without its lock, which is a row that a killed process leaves behind. Instead each migration begins
// its transaction by waiting for its turn, and ends it by noting itself.
func (s *Store) migrator() (*migrate.Migrator, *migrate.Migrations, error) {
	files := migrate.NewMigrations()
	if err := files.Discover(migrations.Files); err != nil {
		return nil, nil, err
	}
	table := s.named("ops.migrations")
	return migrate.NewMigrator(s.writes(), files,
		migrate.WithTableName(table),
		migrate.WithTemplateData(s.ddl()),
		migrate.WithMarkAppliedOnSuccess(true),
		migrate.WithUpsert(true), // Bun notes the migration once more, after the transaction
		migrate.BeforeMigration(func(ctx context.Context, db bun.IConn, step *migrate.Migration) error {
			if err := s.lock(ctx, db, lockMigrations); err != nil {
				return err
			}
			var applied int
			row := db.QueryRowContext(ctx, "SELECT count(*) FROM "+table+" WHERE name = ?", step.Name)
			if err := row.Scan(&applied); err != nil {
				return err
			}
			if applied > 0 {
				return errApplied
			}
			return nil
		}),
		migrate.AfterMigration(func(ctx context.Context, db bun.IConn, step *migrate.Migration) error {
			_, err := db.ExecContext(ctx, "INSERT INTO "+table+" (name, group_id) VALUES (?, ?)", step.Name, step.GroupID)
			return err
		}),
	), files, nil
}

func (s *Store) createMigrationTable(ctx context.Context, tx bun.Tx) error {
	if err := s.lock(ctx, tx, lockMigrations); err != nil {
		return err
	}
	d := s.ddl()
	if d.Postgres {
		if _, err := tx.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS ops"); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s (
		id %s, name %s NOT NULL UNIQUE, group_id %s NOT NULL, migrated_at %s NOT NULL DEFAULT CURRENT_TIMESTAMP)`,
		s.named("ops.migrations"), d.BigIntID, d.Text, d.BigInt, d.Time))
	return err
}

func (s *Store) migrationList(ctx context.Context) ([]Migration, error) {
	m, files, err := s.migrator()
	if err != nil {
		return nil, err
	}
	var steps []Migration
	if begun, err := s.exists(ctx, "ops.migrations"); err != nil {
		return nil, err
	} else if !begun {
		for _, step := range files.Sorted() {
			steps = append(steps, Migration{Name: step.String()})
		}
		return steps, nil
	}
	sorted, err := m.MigrationsWithStatus(ctx)
	if err != nil {
		return nil, err
	}
	for _, step := range sorted {
		steps = append(steps, Migration{Name: step.String(), AppliedAt: step.MigratedAt.UTC()})
	}
	unknown, err := m.MissingMigrations(ctx)
	if err != nil {
		return nil, err
	}
	for _, step := range unknown {
		steps = append(steps, Migration{Name: step.Name, AppliedAt: step.MigratedAt.UTC(), Unknown: true})
	}
	slices.SortFunc(steps, func(a, b Migration) int { return cmp.Compare(a.Name, b.Name) })
	return steps, nil
}
