// What the editor's modules promise, over boards that differ from each other. Evaluated in the page; throws what is broken.
async (boards) => {
  const [state, diff, json] = await Promise.all(["editorstate", "editordiff", "editorjson"].map((name) => import(`/static/js/${name}.js`)));
  const same = (is, wanted, what) => {
    if (JSON.stringify(is) !== JSON.stringify(wanted)) throw new Error(`${what}: ${JSON.stringify(is)} is not ${JSON.stringify(wanted)}`);
  };
  const read = (parse, text) => {
    try {
      return JSON.stringify(parse(text));
    } catch (fault) {
      if (fault instanceof json.JsonFault && !(fault.line >= 1 && fault.column >= 1 && fault.offset <= text.length)) throw fault;
      if (!(fault instanceof json.JsonFault || fault instanceof SyntaxError)) throw fault;
      return /stands twice/.test(fault.message) ? "twice" : null;
    }
  };
  const drafts = boards.map((board) => state.toDraft(board));
  let cut = 0;
  for (const [place, board] of boards.entries()) {
    const [base, mine, theirs] = [0, 1, 2].map((step) => drafts[(place + step) % drafts.length]);
    // A draft is the board. Who changes nothing gets what the other did; the same change of both is no clash.
    same(state.toBoard(base), board, "draft");
    for (const [b, m, t, wanted] of [[base, base, theirs, theirs], [base, mine, base, mine], [base, mine, mine, mine]]) {
      const found = diff.merged(b, m, t);
      same(found.clashes, [], "clash");
      same(state.toBoard(found.draft), state.toBoard(wanted), "merge");
    }
    // Whoever wins each clash, the result is a board whose parts come from the two.
    for (const side of ["mine", "theirs"]) {
      const { clashes } = diff.merged(base, mine, theirs);
      const { draft } = diff.merged(base, mine, theirs, new Map(clashes.map(({ key }) => [key, side])));
      const known = new Set([...mine.columns, ...theirs.columns].map(({ uid }) => uid));
      if (!draft.columns.every(({ uid, id, name }) => known.has(uid) && id && name)) throw new Error("a column of nobody");
    }
    same(diff.differences(base, base), [], "difference");
    if (!diff.differences(base, mine).length) throw new Error("a difference is not seen");
    for (const space of [0, 2, "\t"]) {
      const text = JSON.stringify(board, null, space);
      const { value, places } = json.readJson(text);
      same(value, board, "JSON");
      // Each value stands where it is said to; that of a field begins with the field's name.
      for (const [path, [start, end]] of places) {
        const parts = path.split(".").filter(Boolean);
        const wanted = parts.reduce((node, part) => node[part], board);
        const there = text.slice(start, end);
        const inside = parts.slice(0, -1).reduce((node, part) => node[part], board);
        const isField = parts.length > 0 && !Array.isArray(inside);
        same(JSON.parse(isField ? `{${there}}` : there), isField ? { [parts.at(-1)]: wanted } : wanted, path);
      }
      // With a character less it is read as the browser reads it, or refused as the browser refuses it.
      for (let at = 0; at < text.length; at += 3) {
        const shorter = text.slice(0, at) + text.slice(at + 1);
        const own = read((given) => json.readJson(given).value, shorter);
        if (own !== "twice") same(own, read(JSON.parse, shorter), shorter);
        cut += 1;
      }
    }
  }
  return cut;
}
