package chat

// stmt is a piece of a template's body; expr is anything that has a value.
type (
	stmt interface {
		exec(r *run, sc *scope) (signal, error)
	}
	expr interface {
		eval(r *run, sc *scope) (value, error)
	}
)

// Statements.
type (
	textStmt  struct{ text string }
	printStmt struct {
		line int
		x    expr
	}
	ifStmt struct {
		conds []expr // if, elif, elif ...
		then  [][]stmt
		alt   []stmt // else
	}
	forStmt struct {
		line      int
		target    target
		iter      expr
		filter    expr // nil: none
		body, alt []stmt
		recursive bool
	}
	setStmt struct {
		line   int
		target target
		x      expr
	}
	setBlockStmt struct { // {% set x %}...{% endset %}
		line    int
		target  target
		body    []stmt
		filters []filterCall
	}
	macroStmt struct {
		line     int
		name     string
		params   []string
		defaults []expr // nil entries: required
		body     []stmt
	}
	callStmt struct { // {% call(args) macro(...) %}body{% endcall %}
		line   int
		caller *macroStmt
		call   expr
	}
	filterStmt struct { // {% filter upper %}...{% endfilter %}
		line    int
		filters []filterCall
		body    []stmt
	}
	withStmt struct {
		line    int
		targets []target
		values  []expr
		body    []stmt
	}
	passStmt struct{ body []stmt } // {% generation %}
	loopStmt struct{ sig signal }  // break, continue
)

// target is what a value is assigned to: one of a name, a namespace's attribute,
// or a list of targets.
type target struct {
	name, attr string // attr != "": name.attr
	list       []target
}

// Expressions.
type (
	constExpr struct{ v value }
	nameExpr  struct{ name string }
	listExpr  struct {
		items []expr
		tuple bool
	}
	dictExpr struct{ keys, vals []expr }
	attrExpr struct {
		line int
		x    expr
		name string
	}
	indexExpr struct {
		line   int
		x, key expr
	}
	sliceExpr struct {
		line           int
		x              expr
		lo, hi, stride expr // nil: left out
	}
	callExpr struct {
		line int
		fn   expr
		args arguments
	}
	filterExpr struct {
		x    expr
		call filterCall
	}
	filterCall struct {
		line int
		name string
		fn   filterFunc
		args arguments
	}
	testExpr struct {
		line int
		x    expr
		name string
		fn   testFunc
		args arguments
	}
	condExpr struct {
		then, cond, alt expr // alt nil: undefined
	}
	notExpr   struct{ x expr }
	logicExpr struct {
		or   bool
		a, b expr
	}
	compareExpr struct {
		line  int
		first expr
		ops   []string
		rest  []expr
	}
	binaryExpr struct {
		line int
		op   string
		a, b expr
	}
	negExpr struct {
		line int
		plus bool
		x    expr
	}
)

type arguments struct {
	pos   []expr
	names []string
	named []expr
}
