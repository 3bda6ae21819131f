/*
** Where the memory lies that one message of a service touches, for who wants
** it in the processor's cache before the message is handled. Only looks:
** nothing is made, changed or called.
*/

#define LUA_CORE

#include "lprefix.h"

#include "lua.h"

#include "lfunc.h"
#include "lobject.h"
#include "lstate.h"
#include "ltable.h"

/* as in src/warm.rs */
typedef struct welkin_Stretch {
  const void *at;
  size_t bytes;
} welkin_Stretch;

typedef struct List {
  welkin_Stretch *out;
  int n, room;
} List;

/* of larger blocks only as much is told: which part is used is not known */
#define BYTES_MAX	256

/* of the global state: accounts, registry, state of the collector */
#define GLOBAL_BYTES	128

/* upvalues of a function that are followed, and constants looked at */
#define UPVALUES_MAX	8
#define CONSTANTS_MAX	64


static void add (List *l, const void *at, size_t bytes) {
  if (bytes > 0 && l->n < l->room) {
    l->out[l->n].at = at;
    l->out[l->n].bytes = bytes < BYTES_MAX ? bytes : BYTES_MAX;
    l->n++;
  }
}


/* the place of an item of the array part */
static void add_item (List *l, const Table *t, lua_Integer n) {
  if (n >= 1 && (lua_Unsigned)n <= t->asize) {
    add(l, getArrVal(t, n - 1), sizeof(Value));
    add(l, getArrTag(t, n - 1), 1);
  }
}


/* the table with the places of those fields that the function names */
static void add_fields (List *l, const Table *t, const Proto *p) {
  int i;
  add(l, t, sizeof(Table));
  for (i = 0; i < p->sizek && i < CONSTANTS_MAX; i++) {
    if (ttisshrstring(&p->k[i])) {
      const TValue *v = luaH_Hgetshortstr((Table *)t, tsvalue(&p->k[i]));
      if (!isabstkey(v))
        add(l, v, sizeof(Node));
    }
  }
}


static void add_function (List *l, const TValue *f) {
  const LClosure *cl;
  const Proto *p;
  int i;
  if (!ttisLclosure(f))
    return;
  cl = clLvalue(f);
  p = cl->p;
  add(l, cl, cast_sizet(sizeLclosure(cl->nupvalues)));
  add(l, p, sizeof(Proto));
  add(l, p->k, cast_sizet(p->sizek) * sizeof(TValue));
  for (i = 0; i < cl->nupvalues && i < UPVALUES_MAX; i++) {
    const UpVal *uv = cl->upvals[i];
    if (uv == NULL)
      continue;
    add(l, uv, sizeof(UpVal));
    if (ttistable(uv->v.p))
      add_fields(l, hvalue(uv->v.p), p);
  }
}


/*
** Of a message of 'kind' that is handled on the thread 'co': the state, what
** 'protocols' (a table's number in the registry) has for that kind, and the
** function in the field 'dispatch' of that. The number of stretches.
*/
LUA_API int welkin_warm (lua_State *co, int protocols, int kind,
                         const void *dispatch, welkin_Stretch *out, int room) {
  global_State *g = G(co);
  const Table *registry = hvalue(&g->l_registry);
  const Table *t;
  TValue value;
  List l = {out, 0, room};
  add(&l, g, GLOBAL_BYTES);
  add(&l, cast_charp(co) - LUA_EXTRASPACE, sizeof(LX));
  add(&l, co->stack.p, BYTES_MAX);
  if (co->base_ci.next != NULL) {
    add(&l, co->base_ci.next, sizeof(CallInfo));
    if (co->base_ci.next->next != NULL)
      add(&l, co->base_ci.next->next, sizeof(CallInfo));
  }
  add(&l, registry, sizeof(Table));
  add_item(&l, registry, protocols);
  if (novariant(luaH_getint((Table *)registry, protocols, &value)) != LUA_TTABLE)
    return l.n;
  t = hvalue(&value);
  add(&l, t, sizeof(Table));
  add(&l, t->node, sizenode(t) * sizeof(Node));
  add_item(&l, t, kind);
  if (novariant(luaH_getint((Table *)t, kind, &value)) != LUA_TTABLE)
    return l.n;
  t = hvalue(&value);
  add(&l, t, sizeof(Table));
  add(&l, t->node, sizenode(t) * sizeof(Node));
  add(&l, dispatch, sizeof(TString));
  if (novariant(luaH_getshortstr((Table *)t, (TString *)dispatch, &value)) == LUA_TFUNCTION)
    add_function(&l, &value);
  return l.n;
}
