//! Guest-independent translation: the IR, its optimiser, the engines, code cache and softmmu
