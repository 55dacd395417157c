// Who can sign in, with either provider.
export const PEOPLE = {
  rita: { groups: ['staff'] },
  ada: { groups: ['staff', 'admins'] },
  zoe: { groups: ['staff'], name: 'Zoë Müller' },
  // Groups that anybody may have been allowed to name.
  comma: { groups: ['staff,admins'] },
  semicolon: { groups: ['staff;admins'] },
  spaced: { groups: ['staff', ' admins'] },
  georg: { groups: ['staff', 'größe'] },
  loner: { groups: [] },
};

/** What a provider says of a person. */
export function claims(id) {
  const person = PEOPLE[id];
  const preferred_username = person.name ?? id;
  return { sub: id, email: `${id}@example.test`, preferred_username, groups: person.groups };
}
